import * as book from '#agent/book';
import * as outcomes from '#agent/outcomes';
import type { Book } from '#agent/book';
import type { Observer } from '#agent/observe';
import type { Herald } from '#agent/herald';
import type { Clock, Engine, Log } from '#agent/ports';
import { login } from '#agent/logins';
import { own } from '#agent/ownership';
import { createPullTable } from '#agent/pulls';
import type { PullTable } from '#agent/pulls';
import { createMeasures } from '#agent/measures';
import type { Measures } from '#agent/measures';
import type { Transports } from '#agent/transports';
import type { ImageSpec } from '#core/desired-state';
import type { Moment } from '#core/image-record';
import { AgentError } from '#core/reason';
import { formatReference } from '#core/reference';
import { isRelayName } from '#core/retention';
import type { Tally } from '#core/tally';
import type { Action, Running, World } from '#core/world';

/** Starts what a plan decided. Every action ends by itself, changes the book, and rings. */
export interface Actions {
  readonly running: Pick<Running, 'tags'>;
  /** The time and what is under way then, all of it by one reading of the clock: that may be set at the next. */
  toNow(): Pick<World, 'nowMs' | 'running'>;
  readonly pulls: PullTable;
  readonly measures: Measures;
  /** All that a pass decided. */
  start(planned: readonly Action[]): void;
  /** Ends every pull in flight and resolves when all actions have ended. */
  stop(): Promise<void>;
}

export interface ActionDeps {
  readonly engine: Engine;
  readonly transports: Transports;
  readonly observer: Observer;
  readonly book: Book;
  readonly herald: Pick<Herald, 'attempted' | 'pulled'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  readonly toMoment: () => Moment;
  readonly ring: () => void;
  /** Remembers what the book says now, before a pull begins. */
  readonly remember: () => Promise<void>;
}

/** A removal that the engine refused is tried again after this long: what it does not let go may be held for long. */
const REFUSED_MS = 15 * 60_000;

/** Makes the table of actions, empty. */
export function createActions(deps: ActionDeps): Actions {
  const { engine, transports, observer, log, tally, toMoment } = deps;
  const measures = createMeasures(deps);
  const pulls = createPullTable({ ...deps, measures });
  const sets = {
    checks: new Set<string>(),
    logins: new Set<string>(),
    tags: new Set<string>(),
    removals: new Set<string>(),
  };
  /** Since when, by the steady clock. */
  const measuring = new Map<string, number>();
  const refusals = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const stopped = new AbortController();

  /** A registry is asked about an image. What ends without its answer leaves it as if it had not been asked. */
  async function ask(name: string, work: () => Promise<void>): Promise<void> {
    const address = book.toSpec(deps.book, name)?.reference.registry;
    if (address === undefined) return;
    // Until when others wait for the first answer decides when to look again.
    if (book.takeAsked(deps.book, address, toMoment())) deps.ring();
    await work().finally(() => book.takeUnheard(deps.book, address));
  }

  function run(set: Set<string>, key: string, work: () => Promise<void>): void {
    set.add(key);
    trackTo(work, () => set.delete(key));
  }

  function trackTo(work: () => Promise<void>, end: () => void): void {
    track(
      work().finally(() => {
        end();
        deps.ring();
      }),
    );
  }

  function track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => log.error({ err: error }, 'an action ended in an unexpected error'))
      .finally(() => underWay.delete(tracked));
    underWay.add(tracked);
  }

  async function check(name: string): Promise<void> {
    const spec = book.toSpec(deps.book, name);
    const record = deps.book.images.get(name);
    if (spec === undefined || record === undefined) return;
    const { key } = record;
    const begun = outcomes.toBeginning(deps.book, name);
    if (record.attempts + record.checkFailures > 0) tally.count('retries_total', { action: 'check' });
    const isCurrent = (): boolean => deps.book.images.get(name)?.key === key && !stopped.signal.aborted;
    const access = book.toAccess(deps.book, spec);
    const { credential } = access;
    try {
      const manifest = await transports.fetchManifest(spec.reference, access, stopped.signal);
      if (isCurrent())
        outcomes.takeManifest(deps.book, name, manifest, {
          ...toMoment(),
          begun,
          engine: observer.info?.platform,
        });
    } catch (error) {
      const failure = AgentError.of(error);
      if (!isCurrent() || outcomes.isRefusalOutdated(deps.book, name, failure, credential)) return;
      const { checkFailures = 0, failure: known } = deps.book.images.get(name) ?? {};
      const fields = { image: name, reason: failure.reason, error: failure.message };
      if (checkFailures > 0 || known !== undefined) log.debug(fields, 'tag not compared again');
      else log.info(fields, 'tag not compared with the registry; what is here stays, and it is asked again');
      outcomes.takeCheckFailed(deps.book, name, failure, { ...toMoment(), begun });
    }
  }

  async function measure(name: string): Promise<void> {
    const spec = book.toSpec(deps.book, name);
    const begun = outcomes.toBeginning(deps.book, name);
    const key = begun.record?.key;
    if (spec === undefined) return;
    const access = book.toAccess(deps.book, spec);
    const isCurrent = (): boolean => deps.book.images.get(name)?.key === key && !stopped.signal.aborted;
    try {
      const content = deps.book.contents.get(name);
      const before = content?.key === key ? content : undefined;
      const known = await measures.find(spec, access, before, stopped.signal);
      // Where the engine is to pull it, nothing was asked.
      if (known === undefined) return;
      if (known.asked !== before?.asked) book.takeHeard(deps.book, access.address);
      if (isCurrent()) deps.book.contents.set(name, known);
    } catch (error) {
      const failure = AgentError.of(error);
      if (!isCurrent() || outcomes.isRefusalOutdated(deps.book, name, failure, access.credential)) return;
      const { reason, message } = failure;
      tally.count('pulls_total', { result: 'failed' });
      tally.count('pull_failures_total', { reason });
      outcomes.takeFailed(deps.book, name, failure, { ...toMoment(), begun });
      log.debug({ image: name, reason, error: message }, 'not known what the image holds; will ask again');
    }
  }

  async function tag(name: string, id: string, targets: ImageSpec['tagAs']): Promise<void> {
    const begun = outcomes.toBeginning(deps.book, name);
    try {
      for (const target of targets) {
        await engine.tag(id, target, stopped.signal);
        log.info({ image: name, reference: formatReference(target) }, 'image tagged');
        own(deps.book, name, [formatReference(target)]);
      }
      await requireTags(id, targets);
    } catch (error) {
      if (stopped.signal.aborted) return;
      outcomes.takeFailed(deps.book, name, AgentError.of(error), { ...toMoment(), begun });
    } finally {
      observer.change();
    }
  }

  /** An engine that lists a name in another way than it takes it would be told to tag for ever. */
  async function requireTags(id: string, targets: ImageSpec['tagAs']): Promise<void> {
    const image = await engine.inspectImage(id, stopped.signal);
    const missing = targets.map(formatReference).find((target) => image?.tags.includes(target) !== true);
    if (missing === undefined) return;
    throw new AgentError(
      'Unknown',
      `The engine was told to tag it as ${missing}, and does not list that name.`,
    );
  }

  async function remove(reference: string): Promise<void> {
    try {
      if (await engine.untag(reference, stopped.signal)) {
        deps.book.owned.delete(reference);
        if (isRelayName(reference)) log.debug({ reference }, 'name of an ended pull removed');
        else log.info({ reference }, 'unlisted image removed');
        return;
      }
      track(putOff(reference));
      log.debug({ reference }, 'unlisted image not removed: a container uses it');
    } catch (error) {
      track(putOff(reference));
      const { reason, message } = AgentError.of(error);
      log.warn({ reference, reason, error: message }, 'unlisted image not removed; will retry');
    } finally {
      observer.change();
    }
  }

  /** Others come first. */
  async function putOff(reference: string): Promise<void> {
    refusals.add(reference);
    await deps.clock.sleep(REFUSED_MS, stopped.signal);
    refusals.delete(reference);
    deps.ring();
  }

  function start(action: Action): void {
    switch (action.kind) {
      case 'login':
        return run(sets.logins, action.registry, () => login(action.registry, deps, stopped.signal));
      case 'check':
        return run(sets.checks, action.name, () => ask(action.name, () => check(action.name)));
      case 'measure':
        measuring.set(action.name, deps.clock.steadyMs());
        return trackTo(
          () => ask(action.name, () => measure(action.name)),
          () => measuring.delete(action.name),
        );
      case 'tag':
        return run(sets.tags, action.name, () => tag(action.name, action.id, action.targets));
      case 'remove':
        return run(sets.removals, action.reference, () => remove(action.reference));
      case 'cancel':
        return pulls.cancel(action.name, action.cause);
      case 'pull': {
        const spec = book.toSpec(deps.book, action.name);
        if (spec === undefined) return;
        const access = book.toAccess(deps.book, spec);
        track(pulls.start(action.name, spec, access));
      }
    }
  }

  return {
    pulls,
    measures,
    running: sets,
    toNow() {
      const nowMs = deps.clock.nowMs();
      const offsetMs = nowMs - deps.clock.steadyMs();
      const asked = [...measuring].map(([name, ms]) => [name, { startedAtMs: ms + offsetMs }] as const);
      const running = { ...sets, pulls: pulls.toRunning(offsetMs), measures: new Map(asked), refusals };
      return { nowMs, running };
    },
    start(planned) {
      pulls.forgetEnded();
      planned.forEach(start);
    },
    async stop() {
      stopped.abort(new AgentError('Cancelled', 'The module stops.'));
      for (const name of pulls.running.keys()) pulls.cancel(name, 'Unwanted');
      await Promise.all(underWay);
    },
  };
}
