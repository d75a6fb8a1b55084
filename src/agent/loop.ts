import type { PassPace } from '#agent/pass-pace';
import type { Clock, Log } from '#agent/ports';
import type { Pulse } from '#agent/pulse';
import type { Wake } from '#agent/wake';

export interface LoopDeps {
  readonly clock: Pick<Clock, 'nowMs' | 'steadyMs'>;
  readonly wake: Pick<Wake, 'wait'>;
  readonly pace: Pick<PassPace, 'end'>;
  readonly pulse: Pick<Pulse, 'rest' | 'work'>;
  readonly log: Log;
  /** The engine is to be listed anew by the next pass. */
  readonly relist: () => void;
  /** @returns when to look again, milliseconds since 1970 */
  readonly pass: (signal: AbortSignal) => Promise<number>;
}

/** The engine is listed again at least this often: an event may have been missed. */
export const RESYNC_MS = 5 * 60_000;
/** After an error that nobody foresaw. */
const RECOVERY_MS = 5000;

/** Makes one pass after another, each when something rang or time is up, until the signal aborts. Never rejects. */
export async function loop(deps: LoopDeps, signal: AbortSignal): Promise<void> {
  const { clock, wake, pace, pulse, log, relist, pass } = deps;
  /** By the steady clock. */
  let untilMs = 0;
  let listedAtMs = clock.steadyMs();
  while (!signal.aborted) {
    pulse.rest(untilMs - clock.steadyMs());
    await wake.wait(untilMs, signal);
    if (signal.aborted) return;
    pulse.work();
    if (clock.steadyMs() - listedAtMs >= RESYNC_MS) {
      listedAtMs = clock.steadyMs();
      relist();
    }
    try {
      const delayMs = (await pass(signal)) - clock.nowMs();
      untilMs = clock.steadyMs() + delayMs;
    } catch (error) {
      log.error({ err: error }, 'a pass ended in an unexpected error; the loop goes on');
      untilMs = clock.steadyMs() + RECOVERY_MS;
    }
    pace.end();
  }
}
