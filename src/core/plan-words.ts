import { formatSome } from '#core/format';
import type { Plan } from '#core/plan';
import type { Action, WaitingStanding } from '#core/world';

/** A plan in words, as far as it is worth a line: what begins now, and what waits for something else than its turn. */
export interface PlanWords {
  /** For instance `pull camera, gate; cancel app (Paused)`; empty where nothing begins. */
  readonly now: string;
  /** For instance `3 OutsideWindow: Pulls start at 22:00 Europe/Oslo.`; empty where nothing waits so. */
  readonly waiting: string;
}

const MOST_NAMED = 10;

/** @param isRetry - whether a pull was tried before: that it is tried again is not told */
export function toPlanWords({ actions, standings }: Plan, isRetry: (name: string) => boolean): PlanWords {
  const pulls = actions.flatMap((action) =>
    action.kind === 'pull' && !isRetry(action.name) ? [action.name] : [],
  );
  const cancels = actions.flatMap((action) => (action.kind === 'cancel' ? [formatCancel(action)] : []));
  const parts = [
    pulls.length === 0 ? '' : `pull ${formatSome(pulls, MOST_NAMED)}`,
    cancels.length === 0 ? '' : `cancel ${formatSome(cancels, MOST_NAMED)}`,
  ];
  return { now: parts.filter((part) => part !== '').join('; '), waiting: toWaiting(standings) };
}

const formatCancel = ({ name, cause }: Extract<Action, { kind: 'cancel' }>): string => `${name} (${cause})`;

function toWaiting(standings: Plan['standings']): string {
  const groups = new Map<string, { readonly standing: WaitingStanding; count: number }>();
  for (const standing of standings.values()) {
    if (standing.phase !== 'Waiting' || standing.reason === 'Queued') continue;
    const group = groups.get(standing.reason) ?? { standing, count: 0 };
    group.count += 1;
    groups.set(standing.reason, group);
  }
  return [...groups.values()]
    .map(({ standing: { reason, message }, count }) => `${count} ${reason}: ${message}`)
    .join(' ');
}
