import type { Clock } from '#agent/ports';

/** What is left to do when the loop has ended. */
export interface EndingDeps {
  readonly clock: Pick<Clock, 'sleep'>;
  /** Ends the pulls in flight. */
  readonly stopActions: () => Promise<void>;
  readonly flush: (signal: AbortSignal) => Promise<void>;
  readonly remember: () => Promise<void>;
}

const LAST_REPORT_MS = 3000;

/**
 * Ends the pulls, sends a last report and remembers what is known then. An edgeHub that has fallen silent is waited for
 * no longer than for the last report: whatever is on its way there may go without an answer for a minute, and the module
 * has 10 s.
 *
 * @param beside - what was told to end, and may wait for edgeHub
 */
export async function endWork(deps: EndingDeps, beside: Promise<unknown>): Promise<void> {
  const { clock, stopActions, flush, remember } = deps;
  await stopActions();
  const limit = new AbortController();
  const late = clock.sleep(LAST_REPORT_MS, limit.signal).then(() => limit.abort());
  // What became of the pulls that were ended is known only now.
  await Promise.all([remember(), flush(limit.signal), Promise.race([beside, late])]);
  limit.abort();
  // And only now which events were heard.
  await remember();
}
