import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { createCertificateAuthority } from '../certificates.ts';
import type { GrantedScope } from './scope-maps.ts';

/** Signs the tokens that the registry trusts. */
export interface TokenSigner {
  readonly issuer: string;
  /** A PEM file for the registry's `rootcertbundle`. */
  readonly certificatePath: string;
  /** A JSON Web Token, valid from now on. */
  mint(token: {
    readonly subject: string;
    /** The registry's `service`. */
    readonly audience: string;
    readonly access: readonly GrantedScope[];
    readonly lifetimeMs: number;
  }): string;
}

/**
 * Makes a signing key in `dir`. The tokens carry the certificate itself (`x5c`), which spares the registry's own kind of
 * key identifier.
 * @see https://distribution.github.io/distribution/spec/auth/jwt/
 */
export async function createTokenSigner(dir: string): Promise<TokenSigner> {
  const issuer = 'lab-token-issuer';
  const certificate = await createCertificateAuthority({ dir, name: issuer });
  const der = new X509Certificate(certificate.certificatePem).raw;
  const key = createPrivateKey(certificate.keyPem);
  const header = encode({ typ: 'JWT', alg: 'ES256', x5c: [der.toString('base64')] });
  return {
    issuer,
    certificatePath: certificate.certificatePath,
    mint({ subject, audience, access, lifetimeMs }) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const claims = encode({
        iss: issuer,
        sub: subject,
        aud: audience,
        iat: nowSeconds,
        nbf: nowSeconds,
        exp: nowSeconds + Math.ceil(lifetimeMs / 1000),
        jti: randomUUID(),
        access,
      });
      const text = `${header}.${claims}`;
      const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
      return `${text}.${signature.toString('base64url')}`;
    },
  };
}

/** What a token says, not checked: the registry behind checks it. */
export interface TokenClaims {
  readonly subject: string;
  readonly access: readonly GrantedScope[];
  /** Unix time. */
  readonly endsAtMs: number;
}

/** Reads the token in an Authorization header; `undefined` when there is none, or it is not one of ours. */
export function toTokenClaims(authorization: string | undefined): TokenClaims | undefined {
  const payload = /^bearer [^.]+\.([^.]+)\./i.exec(authorization ?? '')?.[1];
  if (payload === undefined) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    return {
      subject: String(claims['sub']),
      access: (claims['access'] ?? []) as readonly GrantedScope[],
      endsAtMs: Number(claims['exp']) * 1000,
    };
  } catch {
    return undefined;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
