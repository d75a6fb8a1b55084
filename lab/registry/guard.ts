import type { IncomingMessage } from 'node:http';
import type { Answer } from './answers.ts';
import { deniedAnswer, unauthorizedAnswer } from './answers.ts';
import type { ClientToken } from './client-tokens.ts';
import { judgeLogin, toLogin } from './client-tokens.ts';
import { isAllowed } from './scope-maps.ts';
import type { Target } from './targets.ts';
import type { TokenEndpoint } from './token-endpoint.ts';
import { answerTokenRequest } from './token-endpoint.ts';
import { toTokenClaims } from './token-signer.ts';

/** How clients prove who they are: bearer tokens, the password in every request, or not at all. */
export type RegistryAuth = 'token' | 'basic' | 'none';

/**
 * `insufficient-scopes`: 403 with the text that the connected registry's documentation has. `challenge`: 401 with
 * `insufficient_scope`, as docker-registry itself. Both are `denied: …` to an engine.
 */
export type DenialStyle = 'insufficient-scopes' | 'challenge';

/** What {@link createGuard} takes. */
export interface GuardOptions {
  readonly auth: RegistryAuth;
  readonly tokens: ReadonlyMap<string, ClientToken>;
  readonly scopeMaps: ReadonlyMap<string, readonly string[]>;
  readonly denialStyle: () => DenialStyle;
  readonly tokenEndpoint: TokenEndpoint;
  /** Where tokens are had. */
  readonly realm: string;
  readonly tokensEndOnTime: () => boolean;
}

/** Answers what must not reach the registry behind, and the token endpoint. */
export function createGuard(
  options: GuardOptions,
): (request: IncomingMessage, target: Target) => Promise<Answer | undefined> {
  return async (request, target) => {
    switch (options.auth) {
      case 'none':
        return undefined;
      case 'basic':
        return refuseLogin(options, request, target);
      case 'token':
        if (target.kind === 'token') return answerTokenRequest(options.tokenEndpoint, request);
        return (
          (options.tokensEndOnTime() ? refuseEnded(options, request, target) : undefined) ??
          (options.denialStyle() === 'insufficient-scopes' ? refuseScopes(request, target) : undefined)
        );
    }
  };
}

function refuseEnded(options: GuardOptions, request: IncomingMessage, target: Target): Answer | undefined {
  const claims = toTokenClaims(request.headers.authorization);
  if (claims === undefined || Date.now() < claims.endsAtMs) return undefined;
  const { realm, tokenEndpoint } = options;
  const scope = 'repository' in target ? `,scope="repository:${target.repository}:pull"` : '';
  const challenge = `Bearer realm="${realm}",service="${tokenEndpoint.service}"${scope},error="invalid_token"`;
  const answer = unauthorizedAnswer('the token has ended');
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': challenge } };
}

/** A token that was asked to cover the repository and does not. Any other one is left to the registry behind. */
function refuseScopes(request: IncomingMessage, target: Target): Answer | undefined {
  if (target.kind !== 'manifest' && target.kind !== 'blob' && target.kind !== 'tags') return undefined;
  const scopes = toTokenClaims(request.headers.authorization)?.access.filter(
    (scope) => scope.type === 'repository' && scope.name === target.repository,
  );
  if (scopes === undefined || scopes.length === 0) return undefined;
  return scopes.some((scope) => scope.actions.includes('pull')) ? undefined : deniedAnswer();
}

function refuseLogin(options: GuardOptions, request: IncomingMessage, target: Target): Answer | undefined {
  const verdict = judgeLogin(options.tokens, toLogin(request.headers.authorization), Date.now());
  if (verdict.kind === 'refused') {
    const answer = unauthorizedAnswer(verdict.message);
    return { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Basic realm="registry"' } };
  }
  if (!('repository' in target)) return undefined;
  const scopeMap = options.tokens.get(verdict.username)?.scopeMap ?? '';
  const isReadable = isAllowed(options.scopeMaps.get(scopeMap) ?? [], target.repository, 'content/read');
  return isReadable ? undefined : deniedAnswer();
}
