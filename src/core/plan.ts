import type { DesiredImage } from '#core/desired-state';
import { toImageKey } from '#core/image-record';
import { judge, toCourt } from '#core/judge';
import type { Court, Judgement } from '#core/judge';
import { planQuestions, toQuestionTimes } from '#core/plan-questions';
import { nextClosingMs, nextOpeningMs } from '#core/pull-window';
import { formatReference } from '#core/reference';
import { planRelayNames, planRemovals } from '#core/retention';
import { toLoginDueMs } from '#core/registry-record';
import type { Action, CancelCause, RunningPull, Standing, World } from '#core/world';

/** What to do now, where each image stands, and when to look again if nothing rings before. */
export interface Plan {
  readonly actions: readonly Action[];
  /** In name order, one for each desired image. */
  readonly standings: ReadonlyMap<string, Standing>;
  /** Names whose demand ended without an attempt, and whether it was met. */
  readonly settledDemands: ReadonlyMap<string, boolean>;
  /**
   * Every image is `Pulled`, and the registry has been asked for each that the desired properties ask about; none is left
   * out for its name.
   */
  readonly isReady: boolean;
  /** Milliseconds since 1970. */
  readonly wakeAtMs?: number;
}

/**
 * Decides everything at once. Pure: the same world gives the same plan.
 *
 * Cancels what is no longer wanted or no longer moves, logs in where that is due, asks registries for digests, fills
 * the free places with pulls by priority and name, tags, and removes what nobody lists any more.
 */
export function plan(world: World): Plan {
  const judgements = new Map<string, Judgement>();
  const court = toCourt(world);
  for (const [name, image] of world.desired.images) judgements.set(name, judgeEntry(name, image, court));
  const cancels = planCancels(world);
  const removals = planRemovals(world);
  const isPulled = (name: string): boolean => judgements.get(name)?.standing.phase === 'Pulled';
  const actions = [
    ...cancels,
    ...planLogins(world),
    ...planTags(judgements),
    ...planQuestions(judgements, court, cancels.length === 0 && !isCancelling(world)),
    ...(removals.length > 0 ? removals : planRelayNames(world, isPulled)),
  ];
  const all = [...judgements.values()];
  let wakeAtMs = toStallTime(actions, world);
  for (const timeMs of toWakeTimes(all, world)) wakeAtMs = Math.min(wakeAtMs, timeMs);
  const standings = new Map<string, Standing>();
  const settledDemands = new Map<string, boolean>();
  for (const [name, { standing, isDemandMet }] of judgements) {
    standings.set(name, standing);
    if (isDemandMet !== undefined) settledDemands.set(name, isDemandMet);
  }
  return {
    actions,
    standings,
    settledDemands,
    isReady:
      world.desired.misnamedImages.length === 0 &&
      all.every(({ standing, isSettled }) => standing.phase === 'Pulled' && isSettled),
    ...(wakeAtMs === Infinity ? {} : { wakeAtMs }),
  };
}

function judgeEntry(name: string, image: DesiredImage, world: Court): Judgement {
  if (image.kind === 'fault') {
    return { standing: { phase: 'Failed', reason: image.reason, message: image.message }, isSettled: true };
  }
  if (world.running.pulls.has(name)) return { standing: { phase: 'Pulling' }, isSettled: false };
  const record = world.images.get(name);
  if (record === undefined) throw new Error(`no record of image ${name}`);
  return judge(name, image.spec, record, world);
}

function planCancels(world: World): Action[] {
  const running = [...world.running.pulls].filter(([, { isCancelling }]) => !isCancelling);
  const causes = new Map<string, CancelCause>();
  for (const [name, pull] of running) {
    const cause = toCancelCause(name, pull, world);
    if (cause !== undefined) causes.set(name, cause);
  }
  // The engine lets a pull that shares a layer with a stalled one hang on to it, and the stalled one keep its
  // download slots: only ending all of them frees the engine.
  // Through the relay a stalled one ends alone: what it held is let go with its connection.
  const isStalled = running.some(
    ([name, { transport }]) => transport === 'engine' && causes.get(name) === 'Stalled',
  );
  return running.flatMap(([name, { transport }]) => {
    const cause = causes.get(name) ?? (isStalled && transport === 'engine' ? 'Requeued' : undefined);
    return cause === undefined ? [] : [{ kind: 'cancel', name, cause }];
  });
}

/** Until a cancelled pull has ended in the engine it holds its place there. */
const isCancelling = ({ running }: World): boolean =>
  [...running.pulls.values()].some((pull) => pull.isCancelling);

function toCancelCause(name: string, pull: RunningPull, world: World): CancelCause | undefined {
  const { settings, images } = world.desired;
  const image = images.get(name);
  if (image?.kind !== 'image' || toImageKey(image.spec) !== pull.key) return 'Unwanted';
  if (world.images.get(name)?.failure?.reason === 'Cancelled') return 'Cancelled';
  if (settings.paused) return 'Paused';
  if (world.nowMs >= pull.advancedAtMs + settings.stallTimeoutSeconds * 1000) return 'Stalled';
  if (world.nowMs >= pull.startedAtMs + settings.pullTimeoutSeconds * 1000) return 'TimedOut';
  return undefined;
}

function planLogins({ registries, running, nowMs, engine }: World): Action[] {
  if (engine.kind === 'unavailable') return [];
  return [...registries].flatMap(([registry, record]) => {
    const dueMs = toLoginDueMs(record);
    const isDue = dueMs !== undefined && dueMs <= nowMs && !running.logins.has(registry);
    return isDue ? [{ kind: 'login', registry }] : [];
  });
}

function planTags(judgements: ReadonlyMap<string, Judgement>): Action[] {
  const actions: Action[] = [];
  for (const [name, { want }] of judgements) if (want?.kind === 'tag') actions.push({ ...want, name });
  return actions;
}

function* toWakeTimes(judgements: readonly Judgement[], world: World): Generator<number> {
  const { running, registries, nowMs } = world;
  const { stallTimeoutSeconds, pullTimeoutSeconds } = world.desired.settings;
  for (const { wakeAtMs } of judgements) if (wakeAtMs !== undefined) yield wakeAtMs;
  yield* toQuestionTimes(judgements, world);
  for (const pull of running.pulls.values()) {
    if (pull.isCancelling) continue;
    yield pull.advancedAtMs + stallTimeoutSeconds * 1000;
    yield pull.startedAtMs + pullTimeoutSeconds * 1000;
  }
  const { pullWindow: window } = world.desired.settings;
  if (window !== undefined && window.outsideBytesPerSecond > 0 && world.isRelayOn) {
    yield nextClosingMs(window, nowMs) ?? nextOpeningMs(window, nowMs);
  }
  for (const [name, record] of registries) {
    const dueMs = toLoginDueMs(record);
    if (dueMs !== undefined && dueMs > nowMs && !running.logins.has(name)) yield dueMs;
  }
}

/** A pull that begins now may never ring. */
const toStallTime = (actions: readonly Action[], { nowMs, desired }: World): number =>
  actions.some(({ kind }) => kind === 'pull')
    ? nowMs + desired.settings.stallTimeoutSeconds * 1000
    : Infinity;

/** One action as the log and the tests show it, for instance `pull camera`. */
export function formatAction(action: Action): string {
  switch (action.kind) {
    case 'login':
      return `login ${action.registry}`;
    case 'check':
    case 'measure':
    case 'pull':
      return `${action.kind} ${action.name}`;
    case 'cancel':
      return `cancel ${action.name} (${action.cause})`;
    case 'tag':
      return `tag ${action.name} as ${action.targets.map(formatReference).join(', ')}`;
    case 'remove':
      return `remove ${action.reference}`;
  }
}
