import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import {
  advance,
  readCheckpoints,
  resetCheckpoints,
  STRIDE_BYTES,
  toClaimedBytes,
  toStrideEnd,
  writeSums,
} from '#relay/checkpoints';
import type { Hashed } from '#relay/checkpoints';
import type { HashState } from '#relay/hash-states';

/** What is kept of one blob, open for one writer and any readers. Rejects with what the system says. */
export interface KeptPart {
  /** Bytes from the start that are known to be good, on disk or about to be. */
  readonly goodBytes: number;
  /** Bytes that can be read. */
  readonly writtenBytes: number;
  /** Bytes that were taken and are not written. */
  readonly queuedBytes: number;
  /** How far all was hashed, as it is now. */
  toState(): HashState;
  /**
   * Compares what another reader or process left with its checkpoints, calls `onGrowth` where more is known to be good,
   * and cuts off the rest. Goes first.
   */
  verify(onGrowth: () => void): Promise<void>;
  /** Takes the next bytes of the blob; they are written by the next flush. */
  take(bytes: Uint8Array): void;
  flush(): Promise<void>;
  /** Up to `maxBytes` of what was written. */
  read(atByte: number, maxBytes: number): Promise<Uint8Array>;
  /** Writes what was taken and waits until the disk has it. */
  close(): Promise<void>;
}

/** What {@link openKeptPart} takes. */
export interface KeptPartOptions {
  readonly partPath: string;
  readonly checkpointsPath: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Empty where it is not known. */
  readonly bootId: string;
  /** Rejects where the disk is too full to go on. Called every 8 MiB. */
  readonly checkRoom: () => Promise<void>;
}

const READ_BYTES = 128 * 1024;
const SYNC_BYTES = 8 * STRIDE_BYTES;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Makes the files where they are missing. */
export async function openKeptPart(options: KeptPartOptions): Promise<KeptPart> {
  const { partPath, checkpointsPath, sizeBytes, bootId } = options;
  const file = await open(partPath, FLAGS, 0o600);
  const sumsFile = await open(checkpointsPath, FLAGS, 0o600).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  let state = toStart();
  let goodBytes = 0;
  let writtenBytes = 0;
  let syncedBytes = 0;
  let queuedBytes = 0;
  let queue: Uint8Array[] = [];
  let unwrittenSums: Buffer[] = [];
  let sumsCount = 0;
  let syncing: Promise<void> | undefined;
  let broken: { readonly error: unknown } | undefined;

  async function sync(): Promise<void> {
    try {
      await file.datasync();
      await sumsFile.datasync();
    } catch (error) {
      broken ??= { error };
    }
    syncing = undefined;
  }

  async function write(): Promise<void> {
    const [bytes, sums] = [queue, unwrittenSums];
    [queue, unwrittenSums, queuedBytes] = [[], [], 0];
    writtenBytes += await writeAll(file, bytes, writtenBytes);
    if (sums.length > 0) await writeSums(sumsFile, sums, sumsCount);
    sumsCount += sums.length;
    if (writtenBytes - syncedBytes < SYNC_BYTES || syncing !== undefined) return;
    syncedBytes = writtenBytes;
    // The reader does not wait for the disk.
    syncing = sync();
    await options.checkRoom();
  }

  async function flush(): Promise<void> {
    if (broken !== undefined) throw broken.error;
    try {
      await write();
    } catch (error) {
      broken = { error };
      throw error;
    }
  }

  return {
    get goodBytes() {
      return goodBytes;
    },
    get writtenBytes() {
      return writtenBytes;
    },
    get queuedBytes() {
      return queuedBytes;
    },
    toState: () => ({ atByte: state.atByte, hash: state.hash.copy() }),
    async verify(onGrowth) {
      const checkpoints = await readCheckpoints(sumsFile, bootId);
      const { size } = await file.stat();
      const claimedBytes = Math.min(toClaimedBytes(checkpoints, size), sizeBytes);
      const found = await verifyFile(file, { ...options, ...checkpoints, claimedBytes }, (bytes) => {
        [goodBytes, writtenBytes] = [bytes, bytes];
        onGrowth();
      });
      await file.truncate(found.state.atByte);
      await resetCheckpoints(sumsFile, bootId, found.sumsCount);
      if (found.lateSums.length > 0) await writeSums(sumsFile, found.lateSums, found.sumsCount);
      state = found.state;
      sumsCount = found.sumsCount + found.lateSums.length;
      [goodBytes, writtenBytes, syncedBytes] = [state.atByte, state.atByte, state.atByte];
      onGrowth();
    },
    take(bytes) {
      queue.push(bytes);
      queuedBytes += bytes.length;
      unwrittenSums.push(...advance(state, bytes, sizeBytes));
      goodBytes = state.atByte;
    },
    flush,
    read: async (atByte, maxBytes) => await readAt(file, atByte, Math.min(maxBytes, writtenBytes - atByte)),
    async close() {
      // Whoever reads on was told; what is on disk is looked at before it is used again.
      await flush().catch(() => undefined);
      await syncing;
      if (writtenBytes > syncedBytes) await sync();
      await file.close();
      await sumsFile.close();
    },
  };
}

const toStart = (): Hashed => ({ atByte: 0, hash: createHash('sha256') });

interface Claim {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly sums: readonly Buffer[];
  /** Whether bytes without a sum are good enough. */
  readonly isSameBoot: boolean;
  readonly claimedBytes: number;
}

interface Verified {
  readonly state: Hashed;
  /** Of the sums that hold. */
  readonly sumsCount: number;
  /** Those that follow them, of bytes that were written when the process ended, and their sums were not. */
  readonly lateSums: readonly Buffer[];
}

/** Goes through a file from its start for as long as it is what it was. */
async function verifyFile(
  file: FileHandle,
  { digest, sizeBytes, sums, isSameBoot, claimedBytes }: Claim,
  onChecked: (bytes: number) => void,
): Promise<Verified> {
  const state = toStart();
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let sumsCount = 0;
  const lateSums: Buffer[] = [];
  const copy = (): Hashed => ({ atByte: state.atByte, hash: state.hash.copy() });
  let checked = copy();
  while (state.atByte < claimedBytes) {
    const endByte = Math.min(toStrideEnd(state.atByte, sizeBytes), claimedBytes);
    const maxBytes = Math.min(READ_BYTES, endByte - state.atByte);
    const { bytesRead } = await file.read(buffer, 0, maxBytes, state.atByte);
    if (bytesRead === 0) break;
    const [sum] = advance(state, buffer.subarray(0, bytesRead), sizeBytes);
    if (sum === undefined) continue;
    const known = sums[sumsCount];
    if (known === undefined && isSameBoot) {
      lateSums.push(sum);
      continue;
    }
    if (known?.equals(sum) !== true) return { state: checked, sumsCount, lateSums };
    sumsCount += 1;
    checked = copy();
    if (checked.atByte < sizeBytes) onChecked(checked.atByte);
  }
  const found = isSameBoot ? state : checked;
  const isWrong = found.atByte === sizeBytes && `sha256:${found.hash.copy().digest('hex')}` !== digest;
  return isWrong ? { state: toStart(), sumsCount: 0, lateSums: [] } : { state: found, sumsCount, lateSums };
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], atByte: number): Promise<number> {
  if (chunks.length === 0) return 0;
  const bytes = chunks.reduce((total, { length }) => total + length, 0);
  const { bytesWritten } = await file.writev([...chunks], atByte);
  if (bytesWritten < bytes) throw new Error('the disk took a part of what was to be kept');
  return bytes;
}

async function readAt(file: FileHandle, atByte: number, maxBytes: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(maxBytes), 0, maxBytes, atByte);
  return buffer.subarray(0, bytesRead);
}
