import type { Clock } from '#agent/ports';

/** A clock that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** Moves on, waking every sleeper on the way at its time, and lets what follows from it run. */
  advance(byMs: number): Promise<void>;
  /** Sets the machine's clock forward or, with a negative number, back: no time passes. */
  jump(byMs: number): void;
  /** Lets everything run that waits for no time. */
  settle(): Promise<void>;
}

const TURNS = 20;

/** @param random - what chance always says, in [0, 1) */
export function createManualClock(startMs = Date.UTC(2026, 10, 24, 12), random = 0): ManualClock {
  let nowMs = 0;
  let offsetMs = startMs;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  async function settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  return {
    nowMs: () => nowMs + offsetMs,
    steadyMs: () => nowMs,
    jump(byMs) {
      offsetMs += byMs;
    },
    random: () => random,
    sleep(delayMs, signal) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { atMs: nowMs + Math.max(delayMs, 0), wake };
        sleepers.add(sleeper);
        signal.addEventListener('abort', wake, { once: true });
      });
    },
    settle,
    async advance(byMs) {
      const endMs = nowMs + byMs;
      await settle();
      for (;;) {
        const next = [...sleepers].toSorted((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > endMs) break;
        nowMs = Math.max(nowMs, next.atMs);
        next.wake();
        await settle();
      }
      nowMs = endMs;
    },
  };
}
