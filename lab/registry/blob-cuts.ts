import type { RegistryFaults } from './faults.ts';

/** Breaks all answers for blobs at once, at the sums of bytes that the switch names. */
export interface BlobCuts {
  /** How many there were. */
  count(): number;
  /** Bytes until the next one. */
  room(): number;
  note(bytes: number): void;
}

/** No cut was made yet. */
export function createBlobCuts(faults: Pick<RegistryFaults, 'cutBlobsAtBytes'>): BlobCuts {
  let list = faults.cutBlobsAtBytes;
  let sentBytes = 0;
  let done = 0;
  let count = 0;
  const look = (): void => {
    if (faults.cutBlobsAtBytes === list) return;
    list = faults.cutBlobsAtBytes;
    [sentBytes, done] = [0, 0];
  };
  return {
    count: () => count,
    room() {
      look();
      return Math.ceil((list?.[done] ?? Infinity) - sentBytes);
    },
    note(bytes) {
      look();
      sentBytes += bytes;
      if (sentBytes < (list?.[done] ?? Infinity)) return;
      done += 1;
      count += 1;
    },
  };
}
