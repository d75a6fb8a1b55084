import { request as requestHttp } from 'node:http';
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { AgentError } from '#core/reason';
import { isLoopbackHost } from '#core/registry-advice';

/** How any host is reached on behalf of one registry. */
export interface Line {
  /** Absent: only the well-known authorities are trusted. */
  readonly trust: SecureContext | undefined;
  /** Where the host is, for a loopback address where nobody listens. */
  readonly hostAlias: string;
  /** For the head of an answer. */
  readonly answerTimeoutMs: number;
}

export interface RequestHead {
  readonly method: 'GET' | 'HEAD';
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Whom to trust besides the well-known authorities.
 *
 * @throws an AgentError where `ca` is no PEM certificate
 */
export function toTrust(ca: string): SecureContext {
  try {
    return createSecureContext({ ca: [...getCACertificates('default'), ca] });
  } catch (error) {
    throw new AgentError('RegistryUntrusted', 'the CA that is to be trusted is no PEM certificate', {
      cause: error,
    });
  }
}

/**
 * One request over a connection of its own, without redirects. Resolves with the head of the answer; rejects with what
 * the system says.
 *
 * A module has a loopback of its own, where nobody listens: the host's is tried then, under the same name.
 */
export async function request(
  url: URL,
  head: RequestHead,
  line: Line,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  try {
    return await send(url, { ...head, host }, line, signal);
  } catch (error) {
    if (!isLoopbackHost(url.hostname) || toCode(error) !== 'ECONNREFUSED') throw error;
    try {
      return await send(url, { ...head, host: line.hostAlias }, line, signal);
    } catch (second) {
      // Without the alias there is one address only, and that one refused.
      throw /^(?:ENOTFOUND|EAI_)/.test(toCode(second)) ? error : second;
    }
  }
}

function send(
  url: URL,
  { method, headers, host }: RequestHead & { readonly host: string },
  { trust, answerTimeoutMs }: Line,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options: RequestOptions = {
    agent: false,
    host,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    method,
    headers: { ...headers, host: url.host },
    signal,
  };
  const sent: ClientRequest =
    url.protocol === 'https:'
      ? requestHttps({ ...options, ...toTlsOptions(url, trust) })
      : requestHttp(options);
  const late = (): void =>
    void sent.destroy(new AgentError('RegistryUnreachable', `${url.host}: no answer in time`));
  const timer = setTimeout(late, answerTimeoutMs);
  sent.once('response', resolve);
  // An abort destroys the answer too, and is told there.
  sent.on('error', (error) => reject(signal.aborted ? signal.reason : error));
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
