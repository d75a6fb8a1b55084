import type { Clock } from '#agent/ports';

/** The machine's clock and chance. */
export const systemClock: Clock = {
  nowMs: Date.now,
  steadyMs: () => performance.now(),
  random: Math.random,
  sleep(delayMs, signal) {
    if (signal.aborted) return Promise.resolve();
    // Node's own promise of a timer rejects with an error and its stack whenever it is woken: at each ring, that is.
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, delayMs);
      signal.addEventListener('abort', end, { once: true });
    });
  },
};
