import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { RegistryFaults } from '#lab/registry/faults';

/** How the lab's registry is reached, the same for every contender. */
export interface Link {
  readonly name: string;
  /**
   * How often each contender has its turn with so many images: where the link decides, two turns differ by a hundredth,
   * and by a fifth where the processor does or where a turn takes a second.
   */
  toRounds(images: number): number;
  /**
   * Made anew for each turn: what is counted begins anew with it.
   * @param round - from 0: in each one other connections are cut, the same ones for every contender
   */
  toFaults(round: number): RegistryFaults;
}

/** The kernel's netem is often not to be had, and would slow whatever else goes over loopback. */
export const LINKS: readonly [Link, ...Link[]] = [
  {
    name: 'loopback',
    toRounds: (images) => (images === 1 ? 12 : 6),
    toFaults: () => ({ ...NO_REGISTRY_FAULTS }),
  },
  {
    name: '10 MB/s a connection, 25 MB/s in all',
    // Small ones are the processor's.
    toRounds: (images) => (images > 12 ? 6 : 2),
    toFaults: () => ({ ...NO_REGISTRY_FAULTS, bytesPerSecond: 10_000_000, totalBytesPerSecond: 25_000_000 }),
  },
  {
    name: '100 ms more to each request, one connection in 50 cut',
    toRounds: (images) => (images === 1 ? 9 : 3),
    toFaults: (round) => ({
      ...NO_REGISTRY_FAULTS,
      latencyMs: 100,
      cutConnections: { every: 50, first: 13 + 17 * round },
    }),
  },
];
