import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#agent/ports';

/** The machine's clock and chance. */
export const systemClock: Clock = {
  nowMs: Date.now,
  steadyMs: () => performance.now(),
  random: Math.random,
  async sleep(delayMs, signal) {
    try {
      await delay(delayMs, undefined, { signal });
    } catch {
      // Woken early: whoever waits looks at the signal.
    }
  },
};
