import type { Clock } from '#agent/ports';

/** Notices when the machine's clock is set, by a day and more: a ship's device starts in 1970. */
export interface ClockJumps {
  /** To be called before a time is judged or written down by the machine's clock. */
  take(): void;
  /**
   * A time, in milliseconds since 1970, by the steady clock; now where the clock was set since the last `take`, for then
   * it is nonsense.
   */
  toSteadyMs(timeMs: number): number;
}

/** Less is the clock's being kept right. */
const LEAST_JUMP_MS = 2000;

/** @param onJump - told by how many milliseconds the clock was set, forward or back */
export function createClockJumps(clock: Clock, onJump: (jumpMs: number) => void): ClockJumps {
  let offsetMs = clock.nowMs() - clock.steadyMs();
  const toJumpMs = (): number => clock.nowMs() - clock.steadyMs() - offsetMs;
  return {
    take() {
      const jumpMs = toJumpMs();
      offsetMs += jumpMs;
      if (Math.abs(jumpMs) >= LEAST_JUMP_MS) onJump(jumpMs);
    },
    toSteadyMs: (timeMs) => (Math.abs(toJumpMs()) < LEAST_JUMP_MS ? timeMs - offsetMs : clock.steadyMs()),
  };
}
