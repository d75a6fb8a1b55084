import type { Clock } from '#agent/ports';

/** A doorbell: any number of rings before a visit are one visit. */
export interface Wake {
  readonly ring: () => void;
  /** Rings at that time, by the clock of the doorbell, if nobody rings before. */
  readonly ringAt: (atMs: number) => void;
  /** Resolves at once if it rang since the last wait, else at the next ring, at `untilMs`, or when `signal` aborts. */
  wait(untilMs: number, signal: AbortSignal): Promise<void>;
}

/** A timer counts in 32 bits; a longer wait looks again in between. */
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** Makes a doorbell that waits by `clock`. */
export function createWake(clock: Clock): Wake {
  let hasRung = false;
  /** When it is to ring by itself. */
  let dueMs = Infinity;
  let answer: (() => void) | undefined;
  return {
    ring() {
      hasRung = true;
      answer?.();
    },
    ringAt(atMs) {
      if (atMs >= dueMs) return;
      dueMs = atMs;
      answer?.();
    },
    async wait(untilMs, signal) {
      while (!hasRung && !signal.aborted) {
        const delayMs = Math.min(Math.min(untilMs, dueMs) - clock.nowMs(), MAX_SLEEP_MS);
        if (delayMs <= 0) break;
        const woken = new AbortController();
        // Without a reason it would make an error, and its stack, at each ring.
        answer = () => woken.abort('rung');
        await clock.sleep(delayMs, AbortSignal.any([signal, woken.signal]));
        answer = undefined;
      }
      hasRung = false;
      dueMs = Infinity;
    },
  };
}
