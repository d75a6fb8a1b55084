import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** A part of a blob that has a checkpoint of its own; the last one may be shorter. */
export const STRIDE_BYTES = 1024 * 1024;

/** SHA-256 of each stride of a part, in a file that begins with the boot in which it was written. */
export interface Checkpoints {
  /** Of whole strides. What they say holds whatever happened: they are compared with the bytes before these are used. */
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

/** Sums of bytes that come one after another, whatever the pieces. */
export interface Summer {
  /** Calls `onSum` for each stride that is whole with these bytes. */
  add(bytes: Uint8Array): void;
}

/** @param sizeBytes - of the blob: its last stride ends there */
export function createSummer(
  sizeBytes: number,
  onSum: (sum: Buffer, strideEndByte: number) => void,
  fromByte = 0,
): Summer {
  let hash: Hash = createHash('sha256');
  let atByte = fromByte;
  return {
    add(bytes) {
      for (let rest = bytes; rest.length > 0;) {
        const endByte = Math.min((Math.floor(atByte / STRIDE_BYTES) + 1) * STRIDE_BYTES, sizeBytes);
        const piece = rest.subarray(0, endByte - atByte);
        hash.update(piece);
        atByte += piece.length;
        rest = rest.subarray(piece.length);
        if (atByte < endByte) continue;
        onSum(hash.digest(), endByte);
        hash = createHash('sha256');
      }
    },
  };
}
