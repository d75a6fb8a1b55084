import type { Status } from '#core/status';
import type { WebRoute } from '#web/answer';
import { toHealthAnswer, toReadyAnswer } from '#web/health';

/** Whom the pages are about. */
export interface WebSource {
  /** Whether the module's loop turns. */
  readonly isAlive: () => boolean;
  readonly toStatus: () => Status;
}

/** Everything that is served, by path. */
export function createRoutes({ isAlive, toStatus }: WebSource): ReadonlyMap<string, WebRoute> {
  return new Map<string, WebRoute>([
    ['/healthz', () => toHealthAnswer(isAlive())],
    ['/readyz', () => toReadyAnswer(toStatus().summary)],
  ]);
}
