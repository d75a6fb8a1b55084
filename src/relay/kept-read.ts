import type { Clock, Log } from '#agent/ports';
import { AgentError } from '#core/reason';
import type { BlobRead } from '#relay/blobs';
import { checkDigest } from '#relay/passing-read';
import type { HashStates } from '#relay/hash-states';
import type { KeptBlob, KeptBytes } from '#relay/kept-bytes';
import { createRecentPieces } from '#relay/recent-pieces';
import { toPieces } from '#relay/pieces';
import { fetchSteadily } from '#relay/steady-fetch';
import type { TokenBucket } from '#relay/token-bucket';
import type { Tidy } from '#relay/tidy';

/** One blob that is being kept, for as long as it has readers. */
export interface KeptRead {
  /** Of the blob, as its readers' manifests have it. */
  readonly sizeBytes: number;
  /** Undefined once it takes no more readers: resolves when a new one can be made. */
  readonly closing: Promise<void> | undefined;
  /** Resolves when it is closed: it is to be let go then. */
  readonly closed: Promise<void>;
  /**
   * The bytes of the blob from `fromByte` on. Ends before the blob does where no more can be kept: the rest is to be
   * read by itself. The request has this read's size. Throws an `AgentError` or the signal's reason.
   */
  read(request: BlobRead): AsyncGenerator<Uint8Array>;
}

interface Surroundings {
  readonly kept: KeptBytes;
  readonly states: HashStates;
  readonly bucket: TokenBucket;
  readonly tidy: Tidy;
  readonly clock: Clock;
  readonly log: Log;
}

interface Reader {
  readonly request: BlobRead;
  /** What comes before it was taken. */
  atByte: number;
  readonly left: AbortController;
  failure?: Error;
}

/** What is written at once. */
const BATCH_BYTES = 128 * 1024;
/** How far the registry is read ahead of the first reader. */
const AHEAD_BYTES = 256 * 1024;
const READ_BYTES = 128 * 1024;
/** Nothing is lost by an end: whoever wants the blob asks again. */
const PATIENCE_MS = 60_000;
/** So long after the last reader what is on its way is still taken: it has passed the link, and is worth keeping. */
const PARTING_MS = 50;

/**
 * Reads a blob for all who want it at the same time: one of them has it fetched, and all get it from memory or disk. When
 * that one leaves, its connection serves the others for as long as it holds; then the next has the rest fetched.
 */
export function createKeptRead(digest: string, sizeBytes: number, surroundings: Surroundings): KeptRead {
  const { kept, states, bucket, clock, log } = surroundings;
  const recent = createRecentPieces();
  const readers = new Set<Reader>();
  const closed = Promise.withResolvers<void>();
  let blob: KeptBlob | undefined;
  let isStarted = false;
  /** What readers may have. */
  let availableBytes = 0;
  /** Nothing more becomes available here. */
  let isOver = false;
  let isClosing = false;
  let onLastLeft: (() => void) | undefined;
  let change = Promise.withResolvers<void>();

  function tell(): void {
    change.resolve();
    change = Promise.withResolvers();
  }

  function fail(failed: Iterable<Reader>, failure: Error): void {
    for (const reader of failed) {
      reader.failure = failure;
      readers.delete(reader);
    }
    tell();
  }

  async function run(): Promise<void> {
    try {
      blob = await kept.open(digest, sizeBytes);
      await fill(blob);
    } catch (error) {
      log.debug({ digest, error: String(error) }, 'blob not kept');
      if (blob !== undefined) states.add(digest, blob.part.toState());
    }
    isOver = true;
    tell();
    while (readers.size > 0) await change.promise;
    isClosing = true;
    try {
      await blob?.close();
    } catch (error) {
      log.debug({ digest, error: String(error) }, 'blob not kept');
    }
    closed.resolve();
  }

  async function fill({ part, hasRoom, discard }: KeptBlob): Promise<void> {
    await part.verify(() => {
      availableBytes = part.goodBytes;
      tell();
    });
    if (part.goodBytes < sizeBytes && !(await hasRoom())) throw new Error('the disk has no room for it');
    while (part.goodBytes < sizeBytes) {
      const [leader] = readers;
      if (leader === undefined) {
        isClosing = true;
        return;
      }
      try {
        await lead(leader, part);
      } catch (error) {
        if (!leader.left.signal.aborted && !(error instanceof AgentError)) throw error;
        // Whoever reads along may have a better way to the registry.
        fail([leader], error as Error);
      }
    }
    try {
      checkDigest(part.toState().hash, digest);
    } catch (error) {
      discard();
      fail(readers, error as Error);
      return;
    }
    availableBytes = sizeBytes;
    tell();
    await part.flush();
  }

  async function lead(leader: Reader, part: KeptBlob['part']): Promise<void> {
    const parting = new AbortController();
    const ended = new AbortController();
    onLastLeft = () => {
      parting.abort();
      void clock.sleep(PARTING_MS, ended.signal).then(() => ended.abort());
    };
    const fetch = {
      ...leader.request,
      sizeBytes,
      fromByte: part.goodBytes,
      patienceMs: PATIENCE_MS,
      signal: ended.signal,
      leaving: leader.left.signal,
      onFetched: (bytes: number) => {
        const [reader = leader] = readers;
        reader.request.onFetched?.(bytes);
      },
    };
    // What came has used the link already, and is kept whoever left meanwhile.
    const take = (bytes: number): Promise<void> => bucket.take(bytes, parting.signal).catch(() => undefined);
    try {
      for await (const chunk of fetchSteadily(fetch, { ...surroundings, bucket: { take } })) {
        recent.add(part.goodBytes, chunk);
        part.take(chunk);
        // The last ones wait until all is known to be right.
        if (part.goodBytes === sizeBytes) return;
        availableBytes = part.goodBytes;
        tell();
        if (part.queuedBytes >= BATCH_BYTES) await part.flush();
        recent.forgetBefore(Math.min(part.writtenBytes, availableBytes - AHEAD_BYTES));
        while (readers.size > 0 && availableBytes - toFirst() > AHEAD_BYTES) await change.promise;
      }
    } finally {
      onLastLeft = undefined;
      ended.abort();
    }
  }

  /** How far the first reader is. */
  function toFirst(): number {
    let first = 0;
    for (const { atByte } of readers) first = Math.max(first, atByte);
    return first;
  }

  /** What may be had from a byte on; nothing where the disk does not give it back. */
  async function find(atByte: number): Promise<Uint8Array> {
    const bytes = recent.find(atByte);
    if (bytes !== undefined) return bytes.subarray(0, availableBytes - atByte);
    try {
      const maxBytes = Math.min(READ_BYTES, availableBytes - atByte);
      return (await blob?.part.read(atByte, maxBytes)) ?? new Uint8Array();
    } catch (error) {
      log.debug({ digest, error: String(error) }, 'kept blob not read');
      return new Uint8Array();
    }
  }

  async function* readAlong(reader: Reader): AsyncGenerator<Uint8Array> {
    while (reader.atByte < sizeBytes) {
      reader.request.signal.throwIfAborted();
      if (reader.failure !== undefined) throw reader.failure;
      if (reader.atByte < availableBytes) {
        const bytes = await find(reader.atByte);
        if (bytes.length === 0) return;
        for (const piece of toPieces(bytes)) {
          yield piece;
          reader.atByte += piece.length;
          tell();
        }
      } else if (isOver) return;
      else await change.promise;
    }
  }

  return {
    sizeBytes,
    get closing() {
      return isClosing ? closed.promise : undefined;
    },
    closed: closed.promise,
    async *read(request) {
      const reader: Reader = { request, atByte: request.fromByte, left: new AbortController() };
      const leave = (): void => {
        reader.left.abort(request.signal.reason);
        readers.delete(reader);
        if (readers.size === 0) onLastLeft?.();
        tell();
      };
      readers.add(reader);
      request.signal.addEventListener('abort', leave, { once: true });
      if (!isStarted) void run();
      isStarted = true;
      try {
        yield* readAlong(reader);
      } finally {
        request.signal.removeEventListener('abort', leave);
        leave();
      }
    },
  };
}
