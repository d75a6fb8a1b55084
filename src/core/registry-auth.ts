/**
 * How registries ask for a login, and what is answered.
 *
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
import type { Credential } from '#core/desired-state';
import { AgentError } from '#core/reason';
import { Secret } from '#core/secret';

/** What a registry asks for. */
export type Challenge =
  | {
      readonly kind: 'bearer';
      /** Where the token is to be had, as written. */
      readonly realm: string;
      readonly service: string | undefined;
      /** Why the token that was sent is not good enough, for instance `insufficient_scope`. */
      readonly error: string | undefined;
    }
  | { readonly kind: 'basic' };

/** A `WWW-Authenticate` header; undefined where neither of the two is among what it asks for. Bearer goes first. */
export function parseChallenge(header: string): Challenge | undefined {
  const text = /(?:^|[\s,])bearer\s+(.*)$/i.exec(header)?.[1] ?? '';
  const parameters = [...text.matchAll(/\b([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))/gi)];
  // Other challenges may follow: the first of a name is this one's.
  const find = (wanted: string): string | undefined => {
    const [, , quoted, bare] = parameters.find(([, name = '']) => name.toLowerCase() === wanted) ?? [];
    return quoted ?? bare;
  };
  const realm = find('realm');
  if (realm !== undefined) return { kind: 'bearer', realm, service: find('service'), error: find('error') };
  return /(?:^|,)\s*basic(?:\s|,|$)/i.test(header) ? { kind: 'basic' } : undefined;
}

/** A bearer token, and for how long it is good where the registry says it. */
export interface IssuedToken {
  readonly token: Secret;
  readonly lifetimeSeconds: number | undefined;
}

/** The answer of a token endpoint; undefined where there is no token in it. */
export function parseToken(body: string): IssuedToken | undefined {
  const { token, access_token: accessToken, expires_in: expiresIn } = toFields(body);
  // Cloud registries say `access_token`, others `token`, many both.
  const text = [accessToken, token].find((value) => typeof value === 'string' && value !== '');
  if (typeof text !== 'string') return undefined;
  const isLifetime = typeof expiresIn === 'number' && expiresIn > 0;
  return { token: new Secret(text), lifetimeSeconds: isLifetime ? expiresIn : undefined };
}

/** Empty where it is no JSON object: the parser's own words would quote it. */
function toFields(body: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(body)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Where a token for a realm is asked for. */
export function toTokenUrl(realm: URL, question: TokenQuestion): URL {
  const url = new URL(realm);
  const { service, repository, username } = question;
  if (service !== undefined) url.searchParams.set('service', service);
  if (repository !== undefined) url.searchParams.set('scope', `repository:${repository}:pull`);
  if (username !== undefined) url.searchParams.set('account', username);
  return url;
}

interface TokenQuestion {
  readonly service: string | undefined;
  /** Absent: a token that gives no right, and shows that the password is good. */
  readonly repository: string | undefined;
  readonly username: string | undefined;
}

/** The value of an `Authorization` header. */
export function toBasic({ username, password }: Credential): string {
  const bytes = new TextEncoder().encode(`${username}:${password.reveal()}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * What a registry says, without what it repeats of a login: the password, and what goes in an `Authorization`.
 *
 * @param authorization - that was sent
 */
export function withoutLogin(words: string, credential: Credential | undefined, authorization = ''): string {
  const headers = credential === undefined ? [authorization] : [authorization, toBasic(credential)];
  const password = credential?.password.reveal() ?? '';
  const secrets = headers
    .map((header) => header.replace(/^\w+ /, ''))
    .concat(password, encodeURIComponent(password.toWellFormed()))
    .filter((secret) => secret !== '')
    // One may be part of another.
    .toSorted((one, other) => other.length - one.length)
    .map((secret) => secret.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  // Hosts are written in small letters.
  return secrets.length === 0 ? words : words.replaceAll(new RegExp(secrets.join('|'), 'gi'), '[secret]');
}

/**
 * The same failure, and what it quotes as {@link withoutLogin} has it. Its own words stay: what is missing in a sentence
 * that everybody knows would tell the password.
 */
export function hideLogin(error: unknown, credential: Credential | undefined): unknown {
  if (error instanceof AgentError) error.requote((words) => withoutLogin(words, credential));
  return error;
}

/** As the work does; a failure of it as {@link hideLogin} has it. */
export async function hidingLogin<T>(credential: Credential | undefined, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw hideLogin(error, credential);
  }
}
