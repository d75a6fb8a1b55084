import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** What lies between two checkpoints; the last one may be shorter. */
export const STRIDE_BYTES = 1024 * 1024;

/**
 * At the end of each stride the SHA-256 of all the bytes up to there, in a file that begins with the boot in which it was
 * written: bytes are hashed once, for the blob's own digest and on the way to it.
 */
export interface Checkpoints {
  /** What they say holds whatever happened: they are compared with the bytes before these are used. */
  readonly sums: readonly Buffer[];
  /** Whether all that was written is still there: no power cut came between. */
  readonly isSameBoot: boolean;
}

const SUM_BYTES = 32;
const BOOT_ID_BYTES = 36;
const FORMAT = 'v1 ';
const HEADER_BYTES = FORMAT.length + BOOT_ID_BYTES + 1;

/** @param bootId - empty where it is not known: then every start counts as another boot */
export async function readCheckpoints(file: FileHandle, bootId: string): Promise<Checkpoints> {
  const bytes = await file.readFile();
  const header = bytes.toString('latin1', 0, HEADER_BYTES);
  if (!header.startsWith(FORMAT)) return { sums: [], isSameBoot: false };
  const sums: Buffer[] = [];
  for (let at = HEADER_BYTES; at + SUM_BYTES <= bytes.length; at += SUM_BYTES) {
    sums.push(bytes.subarray(at, at + SUM_BYTES));
  }
  return { sums, isSameBoot: bootId !== '' && header === toHeader(bootId) };
}

/** How much of a part of `sizeBytes` may be good: beyond the sums only where no power cut came since. */
export function toClaimedBytes({ sums, isSameBoot }: Checkpoints, sizeBytes: number): number {
  return Math.min(sizeBytes, isSameBoot ? Infinity : sums.length * STRIDE_BYTES);
}

/** Notes the boot, and forgets all but the first `count` sums. */
export async function resetCheckpoints(file: FileHandle, bootId: string, count: number): Promise<void> {
  await file.truncate(HEADER_BYTES + count * SUM_BYTES);
  const header = Buffer.from(toHeader(bootId), 'latin1');
  await file.write(header, 0, header.length, 0);
}

/** Adds sums after the first `count`. */
export async function writeSums(file: FileHandle, sums: readonly Buffer[], count: number): Promise<void> {
  const bytes = Buffer.concat(sums);
  await file.write(bytes, 0, bytes.length, HEADER_BYTES + count * SUM_BYTES);
}

const toHeader = (bootId: string): string =>
  `${FORMAT}${bootId.padEnd(BOOT_ID_BYTES).slice(0, BOOT_ID_BYTES)}\n`;

/** How far a blob was hashed. */
export interface Hashed {
  atByte: number;
  hash: Hash;
}

/**
 * Goes on by the next bytes of a blob, and returns the checkpoints on the way: one at the end of each stride, and one at
 * the blob's own end.
 */
export function advance(hashed: Hashed, bytes: Uint8Array, sizeBytes: number): readonly Buffer[] {
  const sums: Buffer[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const endByte = toStrideEnd(hashed.atByte, sizeBytes);
    const piece = rest.subarray(0, endByte - hashed.atByte);
    hashed.hash.update(piece);
    hashed.atByte += piece.length;
    rest = rest.subarray(piece.length);
    if (hashed.atByte === endByte) sums.push(hashed.hash.copy().digest());
  }
  return sums;
}

/** Where the stride that holds a byte ends. */
export function toStrideEnd(atByte: number, sizeBytes: number): number {
  return Math.min((Math.floor(atByte / STRIDE_BYTES) + 1) * STRIDE_BYTES, sizeBytes);
}
