import type { IncomingMessage } from 'node:http';
import { AgentError } from '#core/reason';
import type { RegistryAccess } from '#core/registry-access';
import { split } from '#core/registry-advice';
import { knowsNoTls } from '#core/registry-probe';
import { isNear } from '#relay/addresses';
import { toNetworkFailure } from '#relay/registry-failure';
import { createConnections, request, toTrust } from '#relay/request';
import type { Line, RequestHead } from '#relay/request';

/** Requests to one registry's address, in the scheme that it speaks. Whatever fails is an `AgentError`. */
export interface RegistryLine {
  /** Undefined before the first answer. */
  readonly isPlainHttp: boolean | undefined;
  /** A path of the registry itself, without redirects. */
  ask(path: string, head: RequestHead, signal: AbortSignal): Promise<Answer>;
  /**
   * Any address, without redirects, with the same trust. Never plain HTTP for a registry that speaks HTTPS, and no loopback
   * or link-local address for one that is elsewhere.
   */
  askElsewhere(url: URL, head: RequestHead, signal: AbortSignal): Promise<Answer>;
}

export interface Answer {
  readonly url: URL;
  readonly response: IncomingMessage;
}

/** What {@link createRegistryLine} takes. */
export interface RegistryLineOptions extends Omit<Line, 'trust' | 'connections'> {
  readonly access: RegistryAccess;
  readonly httpsAddresses: Set<string>;
}

/** Nothing is sent. */
export function createRegistryLine(options: RegistryLineOptions): RegistryLine {
  const { access, httpsAddresses } = options;
  const { address, ca } = access;
  let line: Line | undefined;
  let isPlainHttp: boolean | undefined;
  /** Whether to begin with plain HTTP: after trouble HTTPS goes first again. */
  let startsPlain = false;

  async function send(url: URL, head: RequestHead, signal: AbortSignal): Promise<Answer> {
    line ??= {
      ...options,
      trust: ca === undefined ? undefined : toTrust(ca),
      connections: createConnections(),
    };
    return { url, response: await request(url, head, line, signal) };
  }

  async function askSecurely(path: string, head: RequestHead, signal: AbortSignal): Promise<Answer> {
    const answer = await send(new URL(path, `https://${address}`), head, signal);
    httpsAddresses.add(address);
    isPlainHttp = false;
    return answer;
  }

  async function askPlainly(path: string, head: RequestHead, signal: AbortSignal): Promise<Answer> {
    const answer = await send(new URL(path, `http://${address}`), head, signal).catch((error: unknown) => {
      startsPlain = false;
      throw error;
    });
    isPlainHttp = true;
    // What servers say that are spoken to in plain HTTP and want TLS.
    startsPlain = answer.response.statusCode !== 400;
    return answer;
  }

  async function askSomehow(path: string, head: RequestHead, signal: AbortSignal): Promise<Answer> {
    const isBarred = ca !== undefined || httpsAddresses.has(address);
    if (startsPlain && !isBarred) return await askPlainly(path, head, signal);
    try {
      return await askSecurely(path, head, signal);
    } catch (error) {
      if (!knowsNoTls(error)) throw error;
      if (isBarred) {
        const why = ca === undefined ? 'spoke HTTPS before' : 'is to be known by its CA';
        throw new AgentError('RegistryInsecure', `${address} speaks plain HTTP now, and ${why}`);
      }
      return await askPlainly(path, head, signal);
    }
  }

  async function toFailures<T>(signal: AbortSignal, attempt: Promise<T>): Promise<T> {
    try {
      return await attempt;
    } catch (error) {
      signal.throwIfAborted();
      throw toNetworkFailure(error, address);
    }
  }

  return {
    get isPlainHttp() {
      return isPlainHttp;
    },
    ask: (path, head, signal) => toFailures(signal, askSomehow(path, head, signal)),
    async askElsewhere(url, head, signal) {
      if (url.protocol !== 'https:' && (url.protocol !== 'http:' || isPlainHttp !== true)) {
        throw new AgentError('RegistryInsecure', `${address} leads to ${url.host} over ${url.protocol}//`, {
          quoted: [url.host],
        });
      }
      // What answers there is not meant for whoever has a registry.
      if (isNear(url.hostname) && !isNear(split(address).host)) {
        throw new AgentError(
          'RegistryError',
          `${address} leads to ${url.host}, which is for this device only`,
          { quoted: [url.host] },
        );
      }
      return await toFailures(signal, send(url, head, signal)).catch((error: unknown) => {
        // It names the place, which is the registry's word where it is another than its own.
        if (error instanceof AgentError && url.host !== address) error.quote(url.host, url.hostname);
        throw error;
      });
    },
  };
}
