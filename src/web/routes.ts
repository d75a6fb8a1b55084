import type { Overview } from '#core/overview';
import type { Tally } from '#core/tally';
import type { WebRoute } from '#web/answer';
import { toHealthAnswer, toReadyAnswer } from '#web/health';
import { formatMetrics } from '#web/metrics';
import type { MetricsIdentity } from '#web/metrics';

/** Whom the pages are about. */
export interface WebSource {
  /** Whether the module's loop turns. */
  readonly isAlive: () => boolean;
  readonly toOverview: () => Overview;
  readonly tally: Tally;
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Everything that is served, by path. */
export function createRoutes(
  { isAlive, toOverview, tally }: WebSource,
  identity: MetricsIdentity,
): ReadonlyMap<string, WebRoute> {
  return new Map<string, WebRoute>([
    ['/healthz', () => toHealthAnswer(isAlive())],
    ['/readyz', () => toReadyAnswer(toOverview().status.summary)],
    [
      '/metrics',
      () => ({
        status: 200,
        contentType: METRICS_TYPE,
        body: formatMetrics(toOverview(), tally, identity),
      }),
    ],
  ]);
}
