import type { Status } from '#core/status';

/** Everything that is shown at the device: the status, and how the module's neighbours are. Times in ms since 1970. */
export interface Overview {
  readonly nowMs: number;
  /** Whether the module's loop comes round; where it does not, all else is how it was before. */
  readonly isAlive: boolean;
  readonly status: Status;
  readonly hub: Neighbour;
  readonly engine: Neighbour;
  /** Bytes free on the engine's disk; absent where that cannot be known. */
  readonly freeBytes?: number;
  /** What `minFreeDiskMB` keeps free. */
  readonly minFreeBytes: number;
  /** When the image that came last came; absent where none is known. */
  readonly lastPulledMs?: number;
  /** For how long the image that has been missing longest has been missing, in milliseconds; 0 when none is. */
  readonly oldestUnmetMs: number;
  /** Bytes that the pulls under way have downloaded; a layer that they share counts for each. */
  readonly pullingBytes: number;
}

/** Whether a neighbour answers, and since when it has or has not; `unknown` before the first try ended. */
export interface Neighbour {
  readonly state: 'unknown' | 'up' | 'down';
  readonly sinceMs: number;
  /** Why it does not answer. */
  readonly message?: string;
}
