import { setInterval } from 'node:timers/promises';
import type { TwinObject } from '../edge.ts';
import type { Lab } from '../lab.ts';
import type { Board } from './board.ts';

/** What {@link watchReported} takes. */
export interface WatchOptions {
  /** Sees every version of the reported properties. Closed at the end. */
  readonly board: Board;
  readonly until: (reported: TwinObject) => boolean;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * Follows the reported properties until they are as wanted.
 * @throws when time is up, when the module ends, or when the signal is aborted
 */
export async function watchReported(lab: Lab, options: WatchOptions): Promise<TwinObject> {
  const { board, until, deadlineMs, signal } = options;
  const done = new AbortController();
  try {
    return await Promise.race([
      lab.edge.waitForReported((reported) => {
        board.update(reported);
        return until(reported);
      }, deadlineMs),
      failWithModule(lab, AbortSignal.any([signal, done.signal])),
    ]);
  } finally {
    done.abort();
    board.close();
  }
}

async function failWithModule(lab: Lab, signal: AbortSignal): Promise<never> {
  for await (const _ of setInterval(250, undefined, { signal })) {
    if (lab.module?.ending !== undefined) throw new Error('the module has ended');
  }
  throw signal.reason;
}
