import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';

/** A SHA-256 of the first `atByte` bytes of a blob, that can go on. */
export interface HashState {
  readonly atByte: number;
  readonly hash: Hash;
}

/** How far blobs were hashed, so that a blob that is asked for from its middle need not be fetched from its start. */
export interface HashStates {
  /** The latest one at or before `byte`, for the caller alone. */
  nearest(digest: string, byte: number): HashState;
  /** Whether one is worth adding at `byte`. */
  isDue(digest: string, byte: number): boolean;
  /** A copy is held. */
  add(digest: string, state: HashState): void;
  forget(digest: string): void;
}

const SPACING_BYTES = 1024 * 1024;
const MAX_STATES = 64;
/** One engine reads some blobs at a time: what was read before that does not come again. */
const MAX_BLOBS = 16;

export function createHashStates(): HashStates {
  const held = new Map<string, HashState[]>();
  return {
    nearest(digest, byte) {
      const state = held.get(digest)?.findLast(({ atByte }) => atByte <= byte);
      if (state === undefined) return { atByte: 0, hash: createHash('sha256') };
      return { ...state, hash: state.hash.copy() };
    },
    isDue(digest, byte) {
      return byte - (held.get(digest)?.at(-1)?.atByte ?? 0) >= SPACING_BYTES;
    },
    add(digest, { atByte, hash }) {
      const states = (held.get(digest) ?? []).filter((state) => state.atByte < atByte);
      states.push({ atByte, hash: hash.copy() });
      // Moves to the end: the first is the one that was added to longest ago.
      held.delete(digest);
      held.set(digest, states.slice(-MAX_STATES));
      const oldest = held.keys().next().value;
      if (held.size > MAX_BLOBS && oldest !== undefined) held.delete(oldest);
    },
    forget: (digest) => void held.delete(digest),
  };
}
