import { toTimeMs } from '#agent/ports';
import type { Clock } from '#agent/ports';
import type { Neighbour } from '#core/overview';

/** Dates what is seen of a neighbour, by a clock that never jumps. */
export interface Watch {
  /** @returns whether it is another state than before */
  take(state: Neighbour['state'], message?: string): boolean;
  toNeighbour(): Neighbour;
}

/** Makes the watch over a neighbour of which nothing is known. */
export function createWatch(clock: Clock): Watch {
  const { steadyMs } = clock;
  let state: Neighbour['state'] = 'unknown';
  let sinceSteadyMs = steadyMs();
  let why: string | undefined;
  return {
    take(seen, message) {
      const isNew = seen !== state;
      if (isNew) sinceSteadyMs = steadyMs();
      state = seen;
      why = message;
      return isNew;
    },
    toNeighbour: () => ({
      state,
      sinceMs: toTimeMs(clock, sinceSteadyMs),
      ...(why === undefined ? {} : { message: why }),
    }),
  };
}
