import type { IncomingMessage } from 'node:http';
import type { Clock } from '#agent/ports';
import { AgentError, toLoginFailure } from '#core/reason';
import { isDigest } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
import { hidingLogin } from '#core/registry-auth';
import { findHost } from '#relay/addresses';
import { readWanted, withinTime } from '#relay/answers';
import { createInquirer } from '#relay/inquirer';
import { ACCEPT, isRegistry, toManifest, toManifestHead, toPlace } from '#relay/registry-answers';
import { BusyRegistry, StatusFailure, toNetworkFailure } from '#relay/registry-failure';
import { createRegistryLine } from '#relay/registry-line';
import { discard } from '#relay/request';
import { createTokens } from '#relay/tokens';

export type { RegistryAccess } from '#core/registry-access';

/** One real registry, spoken to with one access. Whatever fails is an `AgentError`, or the signal's reason. */
export interface Upstream {
  /**
   * Proves the access: `/v2/`, then a token or the password itself. Without a credential: that a registry answers. A
   * refusal is `Unauthorized`, whatever the registry calls it.
   */
  login(signal: AbortSignal): Promise<void>;
  /** Whether plain HTTP is what the registry speaks; undefined before its first answer. */
  readonly isPlainHttp: boolean | undefined;
  /** What a tag or digest stands for: by HEAD, and by GET where that says too little or is refused. */
  headManifest(repository: string, tagOrDigest: string, signal: AbortSignal): Promise<ManifestHead>;
  /** At most 4 MiB, verified: by the digest that was asked for, or that the registry names. */
  fetchManifest(repository: string, tagOrDigest: string, signal: AbortSignal): Promise<ServedManifest>;
  /** One attempt. Resolves when the registry begins to answer; the body ends early, by an error, where it breaks. */
  openBlob(question: BlobQuestion, signal: AbortSignal): Promise<BlobAnswer>;
}

export interface ManifestHead {
  /** `sha256:…`. */
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export interface ServedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface BlobQuestion {
  readonly repository: string;
  readonly digest: string;
  /** Where to begin, in bytes; with `Range` where it is not 0. */
  readonly fromByte: number;
  /** How much is wanted, with `Range`; absent: all to the end. More may come from a registry that knows no `Range`. */
  readonly lengthBytes?: number | undefined;
}

export interface BlobAnswer {
  /** Where the body really begins: 0 where the registry knows no `Range`. */
  readonly fromByte: number;
  /** Of the whole blob, where the registry says it. */
  readonly totalBytes: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What {@link createUpstream} takes. */
export interface UpstreamOptions {
  readonly access: RegistryAccess;
  /** Addresses that HTTPS worked with: plain HTTP is never spoken there again. One for all upstreams of a process. */
  readonly httpsAddresses: Set<string>;
  readonly clock: Clock;
  /** The host's address, for a registry at a loopback address where nobody listens. Default: as the hosts file has it. */
  readonly findHost?: () => Promise<string | undefined>;
  /** For the first answer to each request. Default 30,000. */
  readonly answerTimeoutMs?: number;
}

const ANSWER_TIMEOUT_MS = 30_000;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** Nothing is sent. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { access, clock, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  const { address } = access;
  const line = createRegistryLine({ findHost: () => findHost(), ...options, answerTimeoutMs });
  const inquirer = createInquirer({
    access,
    line,
    tokens: createTokens({ access, line, clock, answerTimeoutMs }),
    nowMs: clock.nowMs,
  });
  /** A body that stands still must not hold its reader. */
  const limitMs = 2 * answerTimeoutMs;

  /** Whatever a failure quotes of an answer: a registry may put what it was sent into headers and hosts too. */
  const told = <T>(work: Promise<T>): Promise<T> => hidingLogin(access.credential, work);

  async function fetchManifest(
    repository: string,
    tagOrDigest: string,
    signal: AbortSignal,
  ): Promise<ServedManifest> {
    const path = toManifestPath(repository, tagOrDigest);
    const subject = `${address}/${repository}`;
    const fetched = withinTime(
      limitMs,
      address,
      async (limit) => {
        const answer = await inquirer.ask({ method: 'GET', path, repository, headers: ACCEPT }, limit);
        const bytes = await readWanted(answer, MAX_MANIFEST_BYTES, address);
        if (bytes === undefined) throw new AgentError('RegistryError', `${subject}: a manifest over 4 MiB`);
        return toManifest(answer.response.headers, bytes, { tagOrDigest, subject });
      },
      signal,
    );
    return await told(fetched);
  }

  return {
    get isPlainHttp() {
      return line.isPlainHttp;
    },
    async login(signal) {
      const proven = withinTime(
        limitMs,
        address,
        async (limit) => {
          const isAnyone = access.credential === undefined;
          const answer = await inquirer.ask({ method: 'GET', path: '/v2/', headers: {}, isAnyone }, limit);
          await discard(answer.response);
          if (isRegistry(answer.response)) return;
          throw new AgentError('RegistryError', `${address} answers /v2/, and not as a registry does`);
        },
        signal,
      );
      await told(proven).catch((error: unknown) => {
        throw toLoginFailure(error);
      });
    },
    async headManifest(repository, tagOrDigest, signal) {
      const path = toManifestPath(repository, tagOrDigest);
      const asked = told(inquirer.ask({ method: 'HEAD', path, repository, headers: ACCEPT }, signal));
      const answer = await asked.catch((error: unknown) => {
        if (!isOfHead(error)) throw error;
      });
      if (answer !== undefined) {
        await discard(answer.response);
        const head = toManifestHead(answer.response.headers);
        if (head !== undefined && (!isDigest(tagOrDigest) || head.digest === tagOrDigest)) return head;
      }
      const { bytes, ...found } = await fetchManifest(repository, tagOrDigest, signal);
      return { ...found, sizeBytes: bytes.length };
    },
    fetchManifest,
    async openBlob({ repository, digest, fromByte, lengthBytes }, signal) {
      const path = `/v2/${repository}/blobs/${digest}`;
      const open = async (part: { readonly range?: string }): Promise<BlobAnswer | undefined> => {
        const headers = { accept: '*/*', 'accept-encoding': 'identity', ...part };
        const { response } = await told(inquirer.ask({ method: 'GET', path, repository, headers }, signal));
        const place = toPlace(response, part.range === undefined ? 0 : fromByte);
        if (place !== undefined) return { ...place, body: toBody(response, address, signal) };
        await discard(response);
        return undefined;
      };
      const last = lengthBytes === undefined ? '' : fromByte + lengthBytes - 1;
      const isPart = fromByte !== 0 || last !== '';
      // Whoever gives no part, or another one, may give the whole: that serves as where no Range is known.
      const takesWhole = isPart && lengthBytes === undefined;
      const opened = await open(isPart ? { range: `bytes=${fromByte}-${last}` } : {}).catch(
        (error: unknown) => (takesWhole && isStatus(error, 416) ? undefined : toBlobFailure(error)),
      );
      const found = opened ?? (takesWhole ? await open({}).catch(toBlobFailure) : undefined);
      if (found !== undefined) return found;
      throw new AgentError('RegistryError', `${address}: another part of the blob than was asked for`);
    },
  };
}

/**
 * Whether a failure may be of HEAD alone, which some registries and proxies do not know: GET shows it, and what the
 * registry has to say. One in distress is not asked again, and a password that is refused is not tried again.
 */
const isOfHead = (error: unknown): boolean =>
  error instanceof StatusFailure &&
  !(error instanceof BusyRegistry) &&
  error.reason !== 'Unauthorized' &&
  ((error.status >= 400 && error.status < 500 && error.status !== 429) || error.status === 501);

const isStatus = (error: unknown, status: number): boolean =>
  error instanceof StatusFailure && error.status === status;

const toManifestPath = (repository: string, tagOrDigest: string): string =>
  `/v2/${repository}/manifests/${tagOrDigest}`;

/** A manifest was there that names the blob. */
function toBlobFailure(error: unknown): never {
  const isMissing = error instanceof AgentError && error.reason === 'NotFound';
  throw isMissing ? new AgentError('Corrupt', error.message, { cause: error }) : error;
}

async function* toBody(
  response: IncomingMessage,
  address: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    signal.throwIfAborted();
    throw toNetworkFailure(error, address);
  }
}
