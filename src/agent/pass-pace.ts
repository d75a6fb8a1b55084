import type { Clock } from '#agent/ports';
import type { Wake } from '#agent/wake';

/**
 * Rings for what ends by itself, pulls above all. A pass judges every image, and while a long list is pulled its images
 * end one by one: the longer a pass judged, the longer the next one waits for more of them. Of a short list nobody waits,
 * and whoever changes what is wanted rings at once.
 */
export interface PassPace {
  /** A pass begins to judge. */
  begin(): void;
  /** It has ended. */
  end(): void;
  /** Something ended. */
  readonly ring: () => void;
}

/** Judging that takes longer than this takes a tenth of the time at most. */
const PAUSE = { fromMs: 4, times: 9, atMostMs: 200 };

/** Makes the pace of a loop that waits by `wake`. @param clock - the same as the doorbell's */
export function createPassPace(wake: Pick<Wake, 'ringAt'>, clock: Pick<Clock, 'nowMs'>): PassPace {
  let judgesSinceMs = clock.nowMs();
  let pausesUntilMs = judgesSinceMs;
  return {
    begin() {
      judgesSinceMs = clock.nowMs();
    },
    end() {
      const nowMs = clock.nowMs();
      const overMs = Math.max(nowMs - judgesSinceMs - PAUSE.fromMs, 0);
      pausesUntilMs = nowMs + Math.min(PAUSE.times * overMs, PAUSE.atMostMs);
    },
    ring: () => wake.ringAt(pausesUntilMs),
  };
}
