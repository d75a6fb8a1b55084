import type { IncomingMessage } from 'node:http';
import { toLogin } from './client-tokens.ts';
import { toTokenClaims } from './token-signer.ts';

/** A request and its answer. Passwords and tokens are left out. */
export interface RegistryRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** 0 until it is answered. */
  readonly status: number;
  /** Of the answer's body, so far. */
  readonly bytes: number;
  /** Unix time of its arrival. */
  readonly atMs: number;
  /** The Host header: by which address it was asked. */
  readonly host: string;
  /** The Range header. */
  readonly range?: string;
  /** Whom the password or the token was given to. */
  readonly user?: string;
}

/** A record still being written. */
export type OpenRequest = { -readonly [Key in keyof RegistryRequest]: RegistryRequest[Key] };

/** One answer of the token endpoint. */
export interface TokenRequest {
  readonly account: string | undefined;
  /** All scopes, with spaces between them. */
  readonly scope: string;
  readonly ok: boolean;
  readonly atMs: number;
}

/** A record of a request that has just arrived. */
export function openRequest(request: IncomingMessage): OpenRequest {
  const { authorization, range } = request.headers;
  const user = toTokenClaims(authorization)?.subject ?? toLogin(authorization)?.username;
  return {
    method: request.method ?? '',
    path: (request.url ?? '').replace(/\?.*/, ''),
    status: 0,
    bytes: 0,
    atMs: Date.now(),
    host: request.headers.host ?? '',
    ...(range === undefined ? {} : { range }),
    ...(user === undefined ? {} : { user }),
  };
}
