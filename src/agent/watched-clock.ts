import type { Clock } from '#agent/ports';

/** Less is the clock's being kept right. */
const LEAST_JUMP_MS = 2000;

/**
 * A clock that notices, whenever it is read, that the machine's was set since, by a day and more: a ship's device starts
 * in 1970, and while a device sleeps its steady clock stands still. What is remembered of times has moved along before
 * anybody gets the new time: whoever judges or writes down one has no other. Two readings may differ by a
 * jump, though: what is compared with each other is worked out from one.
 *
 * @param onJump - told by how many milliseconds the clock was set, forward or back
 */
export function createWatchedClock(clock: Clock, onJump: (jumpMs: number) => void): Clock {
  let offsetMs = clock.nowMs() - clock.steadyMs();
  return {
    ...clock,
    nowMs() {
      const nowMs = clock.nowMs();
      const jumpMs = nowMs - clock.steadyMs() - offsetMs;
      offsetMs += jumpMs;
      if (Math.abs(jumpMs) >= LEAST_JUMP_MS) onJump(jumpMs);
      return nowMs;
    },
  };
}
