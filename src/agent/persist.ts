import type { Clock } from '#agent/ports';
import { backoffMs } from '#core/backoff';

/** A neighbour on the same device: asking it costs little. */
const PACE = { retryInitialSeconds: 5, retryMaxSeconds: 900 };

/**
 * Does what may fail, over and over at a growing distance, until it is done. What comes after the signal counts for
 * nothing.
 *
 * @returns what came of it; undefined where the signal aborted before
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  onFailure: (error: unknown) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      const done = await attempt();
      return signal.aborted ? undefined : done;
    } catch (error) {
      if (!signal.aborted) onFailure(error);
    }
    await clock.sleep(backoffMs(failures, PACE, clock.random()), signal);
  }
  return undefined;
}
