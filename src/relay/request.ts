import { Agent as HttpAgent, request as requestHttp } from 'node:http';
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { dialHost } from '#core/own-loopback';
import { AgentError } from '#core/reason';

/** How any host is reached on behalf of one registry. */
export interface Line {
  /** Absent: only the well-known authorities are trusted. */
  readonly trust: SecureContext | undefined;
  /** The host's address, for a loopback address where nobody listens; undefined where nothing tells it. */
  readonly findHost: () => Promise<string | undefined>;
  /** For the head of an answer. */
  readonly answerTimeoutMs: number;
  /** Connections that wait for the next question. */
  readonly connections: Connections;
}

/** Connections that are kept for a while: on a poor link a new one costs more than what is asked by it. */
export interface Connections {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

const KEEP = { keepAlive: true, maxFreeSockets: 4, timeout: 20_000 };

/** For one registry and one trust; none is open. */
export const createConnections = (): Connections => ({
  http: new HttpAgent(KEEP),
  https: new HttpsAgent(KEEP),
});

export interface RequestHead {
  readonly method: 'GET' | 'HEAD';
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Whom to trust besides the well-known authorities: a CA that is no root too, as engines do.
 *
 * @throws an AgentError where `ca` is no PEM certificate
 */
export function toTrust(ca: string): SecureContext {
  try {
    return createSecureContext({ ca: [...getCACertificates('default'), ca], allowPartialTrustChain: true });
  } catch (error) {
    throw new AgentError('RegistryUntrusted', 'the CA that is to be trusted is no PEM certificate', {
      cause: error,
    });
  }
}

/**
 * One request, without redirects. Resolves with the head of the answer; rejects with what the system says. A connection
 * that was kept may have been closed by the other side: then it is asked again over a new one.
 *
 * A loopback address may be the host's, as {@link dialHost} says.
 */
export async function request(
  url: URL,
  head: RequestHead,
  line: Line,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return await dialHost(url.hostname, line.findHost, (host) =>
    sendTwice(url, { ...head, host }, line, signal),
  );
}

interface Sending extends RequestHead {
  readonly host: string;
  /** Absent: over a new connection, which is closed afterwards. */
  readonly connections?: Connections | undefined;
}

/** A kept connection that was closed meanwhile. */
class Outworn extends Error {}

async function sendTwice(
  url: URL,
  sending: Sending,
  line: Line,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  try {
    return await send(url, { ...sending, connections: line.connections }, line, signal);
  } catch (error) {
    if (!(error instanceof Outworn)) throw error;
    return await send(url, sending, line, signal);
  }
}

function send(
  url: URL,
  { method, headers, host, connections }: Sending,
  { trust, answerTimeoutMs }: Line,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options: RequestOptions = {
    host,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    method,
    headers: { ...headers, host: url.host },
    signal,
  };
  const sent: ClientRequest =
    url.protocol === 'https:'
      ? requestHttps({ ...options, agent: connections?.https ?? false, ...toTlsOptions(url, trust) })
      : requestHttp({ ...options, agent: connections?.http ?? false });
  const late = (): void =>
    void sent.destroy(new AgentError('RegistryUnreachable', `${url.host}: no answer in time`));
  const timer = setTimeout(late, answerTimeoutMs);
  sent.once('response', resolve);
  // An abort destroys the answer too, and is told there.
  sent.on('error', (error) => {
    const isOutworn = sent.reusedSocket && /^(?:ECONNRESET|EPIPE)$/.test(toCode(error));
    reject(signal.aborted ? signal.reason : isOutworn ? new Outworn() : error);
  });
  sent.end();
  return promise.finally(() => clearTimeout(timer));
}

/** The name is the registry's own, wherever it is dialled. */
function toTlsOptions(url: URL, trust: SecureContext | undefined): RequestOptions {
  const name = url.hostname.replaceAll(/[[\]]/g, '');
  return {
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(trust === undefined ? {} : { secureContext: trust }),
  };
}

/** A system's code, or empty. */
export function toCode(error: unknown): string {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Of no answer that is asked for: what is longer is not worth its connection. */
const MAX_LEFT_BYTES = 64 * 1024;
const DISCARD_MS = 1000;

/** Lets an answer go whose body nobody wants. Resolves when its connection can be used again, or is closed. */
export async function discard(response: IncomingMessage): Promise<void> {
  response.on('error', () => undefined);
  const timer = setTimeout(() => response.destroy(), DISCARD_MS);
  const isShort = Number(response.headers['content-length'] ?? Infinity) <= MAX_LEFT_BYTES;
  const body = isShort ? await readBody(response, MAX_LEFT_BYTES).catch(() => undefined) : undefined;
  clearTimeout(timer);
  if (body === undefined) response.destroy();
}

/** At most `maxBytes` of a body, as it stands; undefined where there is more. Rejects where it breaks. */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > maxBytes) return undefined;
  }
  return Buffer.concat(chunks);
}
