import type { CutPolicy } from './connection-cuts.ts';

/** A blob's digest, or every blob. */
export type BlobChoice = `sha256:${string}` | 'any';

/** What can go wrong at the registry's address. Every switch works at once; `undefined`, `false` and 0 are off. */
export interface RegistryFaults {
  /** The status of every answer at `/v2/`. */
  pingStatus: number | undefined;
  /** The status of every answer for a manifest. */
  manifestStatus: number | undefined;
  /** The status of every answer for a blob. */
  blobStatus: number | undefined;
  /** The status of every answer of the token endpoint. */
  tokenStatus: number | undefined;
  /** Goes with the statuses above, as a Retry-After header. */
  retryAfterSeconds: number | undefined;
  /** Something else answers: the statuses above carry a web page, and without one every request gets a page and 404. */
  html: boolean;

  /** Added before each answer. */
  latencyMs: number;
  /** Connections are accepted and nothing comes back; bodies stop midway. Switched off again, all goes on. */
  hang: boolean;
  /** The same for the token endpoint alone. */
  tokenHangs: boolean;
  /** A token is refused from its end on, where docker-registry forgives 60 s. */
  tokensEndOnTime: boolean;
  /** The most that one connection gets. */
  bytesPerSecond: number | undefined;
  /** The most that all connections get together. */
  totalBytesPerSecond: number | undefined;

  /** The connection breaks after so many bytes of each answer for a blob; a map says it by digest. */
  cutBlobAfterBytes: number | ReadonlyMap<string, number> | undefined;
  /**
   * One connection in so many breaks half-way through the first answer on it that the registry itself gives; the count
   * begins anew with each object that is set.
   */
  cutConnections: CutPolicy | undefined;
  /** All answers for blobs break when they have sent so many bytes together since this was set: ascending. */
  cutBlobsAtBytes: readonly number[] | undefined;
  /** A connection that breaks is reset (RST), where else it is closed. */
  resets: boolean;
  /** One byte of each answer for the blob is another. */
  corruptBlob: BlobChoice | undefined;
  /** Which one, counted from the answer's first. */
  corruptAtByte: number;
  /** 404, as of a registry that has the manifest and not yet the blob. */
  missingBlob: BlobChoice | undefined;
  /** Range headers are answered with the whole. */
  ignoreRange: boolean;
}

/** All switches off: `Object.assign(registry.faults, NO_REGISTRY_FAULTS)` heals everything. */
export const NO_REGISTRY_FAULTS: Readonly<RegistryFaults> = {
  pingStatus: undefined,
  manifestStatus: undefined,
  blobStatus: undefined,
  tokenStatus: undefined,
  retryAfterSeconds: undefined,
  html: false,
  latencyMs: 0,
  hang: false,
  tokenHangs: false,
  tokensEndOnTime: false,
  bytesPerSecond: undefined,
  totalBytesPerSecond: undefined,
  cutBlobAfterBytes: undefined,
  cutConnections: undefined,
  cutBlobsAtBytes: undefined,
  resets: false,
  corruptBlob: undefined,
  corruptAtByte: 0,
  missingBlob: undefined,
  ignoreRange: false,
};
