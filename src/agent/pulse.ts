/** Tells a loop that works, however long it has nothing to do, from one that hangs. */
export interface Pulse {
  /** The loop begins to work; it is to rest again within two minutes. */
  work(): void;
  /** The loop rests for so long at most, in milliseconds. */
  rest(delayMs: number): void;
  /** Whether the loop did what it said. */
  isBeating(): boolean;
}

/** Twice what a pass takes when everything it asks is silent until its time limit. */
const LIMIT_MS = 120_000;

/** Makes the pulse of a loop that begins now. @param steadyMs - a clock that never jumps */
export function createPulse(steadyMs: () => number): Pulse {
  let deadlineMs = steadyMs() + LIMIT_MS;
  return {
    work() {
      deadlineMs = steadyMs() + LIMIT_MS;
    },
    rest(delayMs) {
      deadlineMs = steadyMs() + Math.max(delayMs, 0) + LIMIT_MS;
    },
    isBeating: () => steadyMs() <= deadlineMs,
  };
}
