import type { Table } from './table.ts';

/** How the parts are to be run. */
export interface BenchOptions {
  /** Less of everything, for a machine that has three minutes: bounds are then wide. */
  readonly isQuick: boolean;
  /** How often each contender has its turn; a part's own number where it is absent. */
  readonly rounds: number | undefined;
  /** Of the fleet; the part's own number where it is absent. */
  readonly devices?: number | undefined;
  /** Of the soak. */
  readonly minutes: number;
  /** Only trials with this in their name. */
  readonly only: string;
  /** Whether the module pulls through its relay too. */
  readonly hasRelay: boolean;
}

/** Something that was measured, and what it should have been. */
export interface Bound {
  readonly what: string;
  readonly value: number;
  readonly atMost: number;
  /** In the best round, where there were several: by it the quick form judges. */
  readonly least?: number;
  /** The quick form fails above this: so much is no chance of a busy machine. Absent: it never fails for it. */
  readonly quickAtMost?: number;
}

/** What a part found. */
export interface Findings {
  readonly tables: readonly Table[];
  readonly bounds: readonly Bound[];
  /** Every figure, for bench/results. */
  readonly figures: unknown;
}

/** One thing that is measured. */
export interface Part {
  /** In one line, for `--help`. */
  readonly what: string;
  /** Left out of the quick form. */
  readonly isLong?: boolean;
  /**
   * In the quick form what only counts goes on beside what is timed, and what mostly waits beside both. Default: it is
   * timed.
   */
  readonly lane?: 'counts' | 'waits';
  run(options: BenchOptions): Promise<Findings>;
}
