import type { Overview } from '#core/overview';
import type { Tally } from '#core/tally';
import type { WebAnswer, WebRoute } from '#web/answer';
import icon from './assets/icon.svg';
import script from './assets/page.js';
import style from './assets/page.css';
import { toHealthAnswer, toReadyAnswer } from '#web/health';
import { createLive } from '#web/live';
import { formatMetrics } from '#web/metrics';
import type { MetricsIdentity } from '#web/metrics';
import { formatPage } from '#web/page';
import { toSelection } from '#web/selection';

/** Whom the pages are about. */
export interface WebSource {
  /** Whether the module's loop turns; asked alone, for that is to be answered whatever the overview has come to. */
  readonly isAlive: () => boolean;
  readonly toOverview: () => Overview;
  readonly tally: Tally;
}

/** Everything that is served, by path. */
export function createRoutes(
  { isAlive, toOverview, tally }: WebSource,
  identity: MetricsIdentity,
): ReadonlyMap<string, WebRoute> {
  return new Map<string, WebRoute>([
    ['/', (query) => ok('text/html', formatPage(toOverview(), toSelection(query), identity.device))],
    ['/events', (query) => createLive(toOverview, toSelection(query))],
    ['/page.css', () => ok('text/css', style)],
    ['/page.js', () => ok('text/javascript', script)],
    ['/icon.svg', () => ok('image/svg+xml', icon)],
    ['/metrics', () => ok('text/plain; version=0.0.4', formatMetrics(toOverview(), tally, identity))],
    ['/healthz', () => toHealthAnswer(isAlive())],
    ['/readyz', () => toReadyAnswer(toOverview())],
  ]);
}

const ok = (type: string, body: string): WebAnswer => ({
  status: 200,
  contentType: `${type}; charset=utf-8`,
  body,
});
