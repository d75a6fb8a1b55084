import { stat } from 'node:fs/promises';
import { toEngineFailure } from '#adapters/docker-failure';
import type { Credential } from '#core/desired-state';
import { AgentError } from '#core/reason';

/** Asks one engine, and turns what goes wrong into an `AgentError`. An aborted signal rejects with its reason. */
export interface DockerConnection {
  /**
   * Rejects with `EngineUnavailable`, or `RegistryUnreachable` where the engine asks a registry, after 30 s; with
   * `EngineUnavailable` as soon as the engine does not answer a ping meanwhile.
   */
  readonly ask: <T>(
    signal: AbortSignal,
    question: (signal: AbortSignal) => Promise<T>,
    registry?: { readonly address: string; readonly credential: Credential | undefined },
  ) => Promise<T>;
  /** Resolves where the engine answers, whatever it says; rejects with `EngineUnavailable` where it does not within 5 s. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  /** An answer that goes on for as long as the engine likes. */
  readonly follow: (
    signal: AbortSignal,
    question: () => Promise<NodeJS.ReadableStream>,
    credential?: Credential,
  ) => AsyncGenerator<Uint8Array>;
}

/** Longer than the 15 s for which the engine itself waits for a registry. */
export const QUERY_TIMEOUT_MS = 30_000;
/** While it waits for an answer the engine is asked this often whether it is there itself. */
const PING_EVERY_MS = 10_000;
const PING_TIMEOUT_MS = 5000;
/** While it works on something else it may take longer: what it was asked is ended for it. */
const BUSY_PING_TIMEOUT_MS = 9000;

/** What the client throws: with a status where the engine answered, with a system's code where it did not. */
interface ClientError extends Error {
  readonly statusCode?: number;
  readonly code?: string;
}

/**
 * Makes the connection; nothing is sent.
 *
 * @param sendPing - asks the engine something that it knows by itself
 */
export function createDockerConnection(
  dockerHost: string,
  sendPing: () => Promise<unknown>,
): DockerConnection {
  async function toFailure(error: unknown, credential: Credential | undefined): Promise<unknown> {
    if (!(error instanceof Error) || error instanceof AgentError) return error;
    const { statusCode, code, message }: ClientError = error;
    if (statusCode !== undefined) return toEngineFailure(toWords(message), statusCode, credential);
    if (typeof code !== 'string') return error;
    const cause = { cause: error };
    return new AgentError('EngineUnavailable', await explain(dockerHost, code, message), cause);
  }

  /** @param limit - whoever aborts it ends the question with its reason, as `signal` does */
  async function askWithin<T>(
    limit: AbortController,
    signal: AbortSignal,
    question: (signal: AbortSignal) => Promise<T>,
    credential?: Credential,
  ): Promise<T> {
    signal.throwIfAborted();
    const abort = (): void => limit.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      // The client hands the signal on for some questions only.
      return await Promise.race([question(limit.signal), rejectedBy(limit.signal)]);
    } catch (error) {
      limit.signal.throwIfAborted();
      throw await toFailure(error, credential);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async function ping(signal: AbortSignal, timeoutMs = PING_TIMEOUT_MS): Promise<void> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(toTimeout(timeoutMs)), timeoutMs);
    const send = (): Promise<unknown> =>
      sendPing().catch((error: unknown) => {
        if (toStatus(error) === undefined) throw error;
      });
    try {
      await askWithin(limit, signal, send);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    ping: (signal) => ping(signal),
    async ask(signal, question, registry) {
      const limit = new AbortController();
      const late = (): void => limit.abort(toTimeout(QUERY_TIMEOUT_MS, registry?.address));
      const timer = setTimeout(late, QUERY_TIMEOUT_MS);
      const ended = new AbortController();
      const doubt = (): void =>
        void ping(ended.signal, BUSY_PING_TIMEOUT_MS).catch((error: unknown) => limit.abort(error));
      const doubts = setInterval(doubt, PING_EVERY_MS);
      try {
        return await askWithin(limit, signal, question, registry?.credential);
      } finally {
        clearTimeout(timer);
        clearInterval(doubts);
        ended.abort('ended');
      }
    },
    async *follow(signal, question, credential) {
      signal.throwIfAborted();
      try {
        for await (const chunk of await question()) yield toBytes(chunk);
      } catch (error) {
        // In mid-stream an abort shows as a connection that was reset.
        signal.throwIfAborted();
        throw await toFailure(error, credential);
      }
    },
  };
}

/** The HTTP status that the engine refused with; undefined for any other error. */
export function toStatus(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { statusCode }: ClientError = error;
  return statusCode;
}

const toBytes = (chunk: string | Uint8Array): Uint8Array =>
  typeof chunk === 'string' ? Buffer.from(chunk) : chunk;

/** The client puts `(HTTP code 500) server error - ` before the engine's words. */
const toWords = (message: string): string => message.replace(/^\(HTTP code \d+\) [a-z ]+ - /, '');

function rejectedBy(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}

function toTimeout(limitMs: number, address?: string): AgentError {
  const after = `within ${limitMs / 1000} s`;
  return address === undefined
    ? new AgentError('EngineUnavailable', `The engine did not answer ${after}.`)
    : new AgentError('RegistryUnreachable', `The engine had no answer from ${address} ${after}.`);
}

/** Says which of the causes it is that the engine cannot be reached, and what to do. */
async function explain(dockerHost: string, code: string, message: string): Promise<string> {
  if (!dockerHost.startsWith('unix://')) return `No engine at ${dockerHost}: ${message}`;
  const path = dockerHost.slice('unix://'.length);
  const file = await stat(path).catch(() => undefined);
  if (file?.isDirectory() === true) {
    return `${path} is a folder, not the engine's socket: the host had no socket there when the module was created. Bind the right path and create the module anew.`;
  }
  switch (code) {
    case 'ENOENT':
      return `There is no socket at ${path}. Bind the engine's socket of the host into the module; where it is bound, the engine is stopped, or IoT Edge took the bind out: see allowed_bind_sources in the device's config.toml.`;
    case 'EACCES':
    case 'EPERM': {
      const group = file === undefined ? 'the id of the group that owns it' : `"${file.gid}"`;
      return `Permission denied for user ${process.getuid?.() ?? '?'} at ${path}: add ${group} to GroupAdd of the HostConfig in the module's createOptions.`;
    }
    case 'ECONNREFUSED':
      return `Nobody listens at ${path}: the engine is stopped, or has made its socket anew since the module was created.`;
    default:
      return `The engine at ${path} ended the connection: ${message}`;
  }
}
