import type { Clock } from '#agent/ports';

/** A doorbell: any number of rings before a visit are one visit. */
export interface Wake {
  readonly ring: () => void;
  /** Resolves at once if it rang since the last wait, else at the next ring, at `untilMs`, or when `signal` aborts. */
  wait(untilMs: number, signal: AbortSignal): Promise<void>;
}

/** A timer counts in 32 bits; a longer wait looks again in between. */
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** Makes a doorbell that waits by `clock`. */
export function createWake(clock: Clock): Wake {
  let hasRung = false;
  let answer: (() => void) | undefined;
  return {
    ring() {
      hasRung = true;
      answer?.();
    },
    async wait(untilMs, signal) {
      const delayMs = Math.min(untilMs - clock.nowMs(), MAX_SLEEP_MS);
      if (!hasRung && !signal.aborted && delayMs > 0) {
        const woken = new AbortController();
        // Without a reason it would make an error, and its stack, at each ring.
        answer = () => woken.abort('rung');
        await clock.sleep(delayMs, AbortSignal.any([signal, woken.signal]));
        answer = undefined;
      }
      hasRung = false;
    },
  };
}
