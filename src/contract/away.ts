import { toLine } from '#contract/findings';
import { formatTime } from '#contract/reported';
import type { JsonObject } from '#core/merge-patch';
import type { Overview } from '#core/overview';
import { FAILURES } from '#core/reason';

/** Which neighbours do not answer: what `GetStatus` tells beside the reported document; nothing where both do. */
export function toAway({ engine, hub }: Pick<Overview, 'engine' | 'hub'>): JsonObject {
  const away: Record<string, JsonObject> = {};
  if (engine.state === 'down') {
    const { advice } = FAILURES.EngineUnavailable;
    const message = toLine(engine.message ?? '');
    away['engine'] = { since: formatTime(engine.sinceMs), reason: 'EngineUnavailable', message, advice };
  }
  if (hub.state === 'down') away['edgeHub'] = { since: formatTime(hub.sinceMs) };
  return Object.keys(away).length === 0 ? {} : { away };
}
