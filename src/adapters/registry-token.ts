import { request as requestHttp } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, getCACertificates } from 'node:tls';
import type { Log } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import { dialHost } from '#core/own-loopback';
import type { Reference } from '#core/reference';
import { parseChallenge, parseToken, toBasic, toTokenUrl } from '#core/registry-auth';
import type { Secret } from '#core/secret';

/** What {@link fetchRegistryToken} takes. */
export interface RegistryTokenOptions {
  readonly reference: Reference;
  /** Absent: a token for everybody. */
  readonly credential: Credential | undefined;
  /** PEM certificates that are trusted besides the well-known ones. */
  readonly ca?: string | undefined;
  /** Whether the engine itself would do without a verified certificate here, and over plain HTTP if need be. */
  readonly isInsecure: boolean;
  /** The host's address, for a registry at a loopback address where nobody listens; absent: nothing tells it. */
  readonly findHost?: (() => Promise<string | undefined>) | undefined;
  readonly signal: AbortSignal;
  /** For all requests together. Default 15,000: as long as the engine waits for a registry. */
  readonly timeoutMs?: number;
  readonly log?: Log | undefined;
}

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 100_000;

/**
 * A bearer token with the right to pull one repository, or undefined where the registry gives none in time. Never
 * rejects; no error and no log holds a secret. It is not renewed: the registry decides how long a pull may take.
 *
 * The user name and password go to the very origin (scheme, host and port) that asked for them, and nowhere else: an
 * answer can neither lead them to another host nor from HTTPS to plain HTTP. Plain HTTP, or a certificate that nobody
 * vouches for, is good enough only where the engine would take it too, and never where a `ca` says who is to be trusted.
 *
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export async function fetchRegistryToken(options: RegistryTokenOptions): Promise<Secret | undefined> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)]);
  const { registry } = options.reference;
  let failure: unknown;
  for (const { origin, trust } of toOrigins(options)) {
    try {
      return await fetchToken(origin, { ...trust, signal }, options);
    } catch (error) {
      failure = error;
      if (signal.aborted || error instanceof Refusal) break;
    }
  }
  options.log?.debug(
    { registry, error: toText(failure) },
    'no token fetched for a pull; the engine fetches its own',
  );
  return undefined;
}

/** What the registry answered is no token; another way to reach it would be of no use. Its text is written here. */
class Refusal extends Error {}

interface Origin {
  readonly origin: string;
  readonly trust: Pick<RequestOptions, 'ca' | 'allowPartialTrustChain' | 'rejectUnauthorized'>;
}

/** Where the registry may be, in the order to try. */
function toOrigins({ reference: { registry }, ca, isInsecure }: RegistryTokenOptions): readonly Origin[] {
  const origin = `https://${registry}`;
  if (ca !== undefined) {
    // One that is no root is good enough for engines too.
    const trust = { ca: [...getCACertificates('default'), ca], allowPartialTrustChain: true };
    return [{ origin, trust }];
  }
  if (!isInsecure) return [{ origin, trust: {} }];
  return [
    { origin, trust: { rejectUnauthorized: false } },
    { origin: `http://${registry}`, trust: {} },
  ];
}

async function fetchToken(
  origin: string,
  requestOptions: RequestOptions,
  { reference, credential, findHost = async () => undefined }: RegistryTokenOptions,
): Promise<Secret> {
  const ask = (url: URL, headers: OutgoingHttpHeaders = {}): Promise<Answer> =>
    dialHost(url.hostname, findHost, (host) => get(url, { ...requestOptions, headers, host }));
  const challenge = await ask(new URL('/v2/', origin));
  if (challenge.status !== 401) throw new Refusal(`/v2/ answered ${challenge.status}`);
  const asked = parseChallenge(challenge.authenticate);
  if (asked?.kind !== 'bearer') throw new Refusal('the registry asks for no bearer token');
  const realm = URL.parse(asked.realm);
  if (realm?.origin !== new URL(origin).origin)
    throw new Refusal('the token is to be had from another origin');
  const { repository } = reference;
  const url = toTokenUrl(realm, { service: asked.service, repository, username: credential?.username });
  const headers = credential === undefined ? {} : { authorization: toBasic(credential) };
  const answer = await ask(url, headers);
  if (answer.status !== 200) throw new Refusal(`the token endpoint answered ${answer.status}`);
  const issued = parseToken(answer.body);
  if (issued === undefined) throw new Refusal('the token endpoint answered without a token');
  return issued.token;
}

interface Answer {
  readonly status: number;
  readonly authenticate: string;
  readonly body: string;
}

/** With the `host` to dial: the name is the URL's own, wherever that is. */
interface Dialled extends RequestOptions {
  readonly headers: OutgoingHttpHeaders;
}

function get(url: URL, { headers, ...options }: Dialled): Promise<Answer> {
  const name = url.hostname.replaceAll(/[[\]]/g, '');
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > MAX_ANSWER_BYTES) response.destroy(new Refusal('the registry answered too much'));
      });
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, authenticate: headers['www-authenticate'] ?? '', body });
      });
    };
    const sent: RequestOptions = {
      ...options,
      port: url.port,
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host },
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      agent: false,
    };
    // Redirects are not followed.
    request(sent, take).on('error', reject).end();
  });
}

const toText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
