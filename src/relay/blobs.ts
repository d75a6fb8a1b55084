import type { Clock, Log } from '#agent/ports';
import { createHashStates } from '#relay/hash-states';
import type { KeptBytes } from '#relay/kept-bytes';
import { createKeptRead } from '#relay/kept-read';
import type { KeptRead } from '#relay/kept-read';
import { readPassing } from '#relay/passing-read';
import { createTidy } from '#relay/tidy';
import type { TokenBucket } from '#relay/token-bucket';
import type { Upstream } from '#relay/upstream';

/** Blobs read whole, whatever the link does. */
export interface Blobs {
  /**
   * The bytes of a blob from `fromByte` to its end, in pieces of at most 64 KiB: kept ones first, then the registry's,
   * at the pace of the reader and of the bucket. The last piece comes only when the whole has the right digest. Throws
   * an `AgentError` when it gives up, or the signal's reason.
   */
  read(request: BlobRead): AsyncIterable<Uint8Array>;
  /** Bytes of a blob that are kept now. */
  keptBytes(digest: string): number;
  /** Bytes of all blobs that are kept, by digest; of one that is being read as it was before. */
  keptSizes(): ReadonlyMap<string, number>;
  /** Forgets what is kept of these blobs. What is being read goes afterwards. */
  forget(digests: ReadonlySet<string>): Promise<void>;
  /** Forgets what is kept of all blobs but these. What is being read goes afterwards. */
  keepOnly(digests: ReadonlySet<string>): Promise<void>;
  /** Forgets what nobody reads and has not grown for seven days. */
  forgetOld(): Promise<void>;
}

export interface BlobRead {
  readonly digest: string;
  /** As the manifest has it. */
  readonly sizeBytes: number;
  readonly fromByte: number;
  readonly source: BlobSource;
  /** How long to hold on without a byte. */
  readonly stallTimeoutMs: number;
  /** Whether others cannot go on while this one holds on: then it holds on for a short while only. */
  readonly isInTheWay?: (() => boolean) | undefined;
  readonly signal: AbortSignal;
  /** Called for all that comes from the registry, as it comes: what comes again counts again. */
  readonly onFetched?: ((bytes: number) => void) | undefined;
}

export interface BlobSource {
  readonly upstream: Pick<Upstream, 'openBlob'>;
  readonly repository: string;
}

/** What {@link createBlobs} takes. */
export interface BlobsOptions {
  readonly bucket: TokenBucket;
  /** Absent: nothing outlives the process. */
  readonly kept?: KeptBytes | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export function createBlobs({ bucket, kept, clock, log }: BlobsOptions): Blobs {
  const states = createHashStates();
  const surroundings = { states, bucket, tidy: createTidy(), clock, log };
  /** By digest. */
  const keptReads = new Map<string, KeptRead>();

  /** Undefined where the request is to be served by itself. */
  function findKeptRead({ digest, sizeBytes }: BlobRead): KeptRead | undefined {
    const found = keptReads.get(digest);
    // Manifests may differ in a blob's size: what one of them says must not end or spoil what another one's readers have.
    if (found !== undefined) return found.sizeBytes === sizeBytes ? found : undefined;
    if (kept === undefined || kept.keptBytes(digest) > sizeBytes) return undefined;
    const made = createKeptRead(digest, sizeBytes, { ...surroundings, kept });
    keptReads.set(digest, made);
    void made.closed.then(() => keptReads.delete(digest));
    return made;
  }

  return {
    async *read(request) {
      request.signal.throwIfAborted();
      let { fromByte } = request;
      let keptRead = findKeptRead(request);
      while (keptRead?.closing !== undefined) {
        await keptRead.closing;
        keptRead = findKeptRead(request);
      }
      if (keptRead !== undefined) {
        // Joined at once: in a moment it may take no more readers.
        for await (const piece of keptRead.read(request)) {
          fromByte += piece.length;
          yield piece;
        }
      }
      if (fromByte < request.sizeBytes) yield* readPassing({ ...request, fromByte }, surroundings);
    },
    keptBytes: (digest) => kept?.keptBytes(digest) ?? 0,
    keptSizes: () => kept?.keptSizes() ?? new Map(),
    forget: async (digests) => await kept?.forget(digests),
    keepOnly: async (digests) => await kept?.keepOnly(digests),
    forgetOld: async () => await kept?.forgetOld(),
  };
}
