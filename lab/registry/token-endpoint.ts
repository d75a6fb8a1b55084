import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Answer } from './answers.ts';
import { errorAnswer, jsonAnswer, unauthorizedAnswer } from './answers.ts';
import type { ClientToken, Login } from './client-tokens.ts';
import { judgeLogin, toLogin } from './client-tokens.ts';
import type { TokenRequest } from './request-log.ts';
import { grantScope, toRequestedScopes } from './scope-maps.ts';
import type { TokenSigner } from './token-signer.ts';

/** What the token endpoint works with. */
export interface TokenEndpoint {
  readonly signer: TokenSigner;
  /** `host:port` of the registry. */
  readonly service: string;
  readonly tokens: ReadonlyMap<string, ClientToken>;
  readonly scopeMaps: ReadonlyMap<string, readonly string[]>;
  readonly lifetimeMs: () => number;
  readonly onAnswer: (request: TokenRequest) => void;
}

/**
 * Answers a token request: `GET` with Basic authentication, or `POST` with `grant_type=password`. Without any right to
 * what is asked for there is still a token, which names the scope and grants no action.
 * @see https://distribution.github.io/distribution/spec/auth/oauth/
 */
export async function answerTokenRequest(endpoint: TokenEndpoint, request: IncomingMessage): Promise<Answer> {
  const isPost = request.method === 'POST';
  const parameters = isPost
    ? new URLSearchParams(await text(request))
    : new URL(request.url ?? '/', 'http://registry').searchParams;
  const login = isPost ? toFormLogin(parameters) : toLogin(request.headers.authorization);
  if (isPost && login === undefined) {
    return errorAnswer(400, 'UNSUPPORTED', 'grant_type must be password, with username and password');
  }

  const nowMs = Date.now();
  const scopes = parameters.getAll('scope');
  const verdict = judgeLogin(endpoint.tokens, login, nowMs);
  endpoint.onAnswer({
    account: login?.username,
    scope: scopes.join(' '),
    ok: verdict.kind === 'accepted',
    atMs: nowMs,
  });
  if (verdict.kind === 'refused') return unauthorizedAnswer(verdict.message);

  const subject = verdict.username;
  const actions = endpoint.scopeMaps.get(endpoint.tokens.get(subject)?.scopeMap ?? '') ?? [];
  const access = toRequestedScopes(scopes).map((scope) => grantScope(actions, scope));
  const token = endpoint.signer.mint({
    subject,
    audience: endpoint.service,
    access,
    lifetimeMs: endpoint.lifetimeMs(),
  });
  return jsonAnswer(200, { access_token: token });
}

function toFormLogin(form: URLSearchParams): Login | undefined {
  const [username, password] = [form.get('username'), form.get('password')];
  if (form.get('grant_type') !== 'password' || username === null || password === null) return undefined;
  return { username, password };
}
