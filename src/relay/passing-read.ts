import type { Hash } from 'node:crypto';
import type { Clock } from '#agent/ports';
import { AgentError } from '#core/reason';
import type { BlobRead } from '#relay/blobs';
import type { HashStates } from '#relay/hash-states';
import { fetchSteadily } from '#relay/steady-fetch';
import type { TokenBucket } from '#relay/token-bucket';
import type { Tidy } from '#relay/tidy';
import { toPieces } from '#relay/pieces';

interface Surroundings {
  readonly states: HashStates;
  readonly bucket: TokenBucket;
  readonly tidy: Tidy;
  readonly clock: Clock;
}

/** Reads a blob of which nothing is kept: each reader has a connection of its own. */
export async function* readPassing(read: BlobRead, surroundings: Surroundings): AsyncGenerator<Uint8Array> {
  const { digest, sizeBytes, fromByte } = read;
  const { states } = surroundings;
  let { atByte, hash } = states.nearest(digest, fromByte);
  // Nothing would be lost by an earlier end, and everything after it.
  const fetch = { ...read, fromByte: atByte, patienceMs: Infinity };
  for await (const chunk of fetchSteadily(fetch, surroundings)) {
    hash.update(chunk);
    const passed = Math.max(fromByte - atByte, 0);
    atByte += chunk.length;
    if (atByte === sizeBytes) {
      states.forget(digest);
      checkDigest(hash, digest);
    } else if (states.isDue(digest, atByte)) states.add(digest, { atByte, hash });
    yield* toPieces(chunk.subarray(passed));
  }
}

/** @throws an AgentError where the bytes that were hashed are not the blob's */
export function checkDigest(hash: Hash, digest: string): void {
  const found = `sha256:${hash.copy().digest('hex')}`;
  if (found === digest) return;
  throw new AgentError('Corrupt', `the registry served ${found} in the place of the blob ${digest}`);
}
