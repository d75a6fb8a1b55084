import type { Clock, Log } from '#agent/ports';
import type { RegistryAccess } from '#core/registry-access';

export type { RegistryAccess } from '#core/registry-access';

/** One real registry, spoken to with one access. Whatever fails is an `AgentError`, or the signal's reason. */
export interface Upstream {
  /** Proves the access: `/v2/`, then a token or the password itself. Without a credential: that a registry answers. */
  login(signal: AbortSignal): Promise<void>;
  /** Whether plain HTTP is what the registry speaks; undefined before its first answer. */
  readonly isPlainHttp: boolean | undefined;
  /** What a tag or digest stands for, without the manifest itself. */
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
  readonly log: Log;
  /** Where the host is, for a registry at a loopback address where nobody listens. Default `host.docker.internal`. */
  readonly hostAlias?: string;
  /** For the first answer to each request. Default 30,000. */
  readonly answerTimeoutMs?: number;
}

/** Nothing is sent. */
export function createUpstream(options: UpstreamOptions): Upstream {
  void options;
  throw new Error('not there yet');
}
