import { createActions } from '#agent/actions';
import * as records from '#agent/book';
import { settleDemands } from '#agent/demands';
import { endWork } from '#agent/ending';
import { createHerald } from '#agent/herald';
import { createImagePlans } from '#agent/image-plans';
import { createIntake } from '#agent/intake';
import { createMethods } from '#agent/methods';
import { meterEngine } from '#agent/metered-engine';
import { loop, RESYNC_MS } from '#agent/loop';
import { createObserver } from '#agent/observe';
import { createRemembrance } from '#agent/memory';
import { disown, settleInherited } from '#agent/ownership';
import { toSteady } from '#agent/ports';
import { createPassPace } from '#agent/pass-pace';
import { createPulse } from '#agent/pulse';
import type { Clock, Engine, Hub, Log, MethodHandlers, RegistryProber, Sealer, Store } from '#agent/ports';
import { createReporter } from '#agent/reporter';
import { createOutlook, takeEnd, takeReady } from '#agent/outlook';
import { createStatus } from '#agent/status';
import { createSurroundings } from '#agent/surroundings';
import { createTasks, toOutcome } from '#agent/tasks';
import { createTransports } from '#agent/transports';
import { createEngineWatch, tellAway } from '#agent/engine-watch';
import { createRelayKeeper } from '#agent/relay-keeper';
import type { Relay } from '#agent/relay-port';
import { createWake } from '#agent/wake';
import { createWatchedClock } from '#agent/watched-clock';
import { toReported, withAbsent } from '#contract/reported';
import { jitterMs } from '#core/backoff';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { LogLevel, Settings } from '#core/desired-state';
import type { Moment } from '#core/image-record';
import type { Overview } from '#core/overview';
import { plan } from '#core/plan';
import type { Plan } from '#core/plan';
import { toUnlisted } from '#core/retention';
import { formatSet } from '#core/status';
import { createTally } from '#core/tally';
import type { Tally } from '#core/tally';
import type { Standing, World } from '#core/world';

export interface AgentDeps {
  readonly hub: Hub;
  readonly engine: Engine;
  /** Absent: it is off. */
  readonly relay?: Relay;
  readonly probe: RegistryProber;
  readonly clock: Clock;
  readonly log: Log;
  /** The module's version, for `agent.version`. */
  readonly version: string;
  readonly parentHostName: string | undefined;
  /** Absent: nothing is remembered over a restart. */
  readonly memory?: { readonly store: Store; readonly sealer: Sealer };
  /** Nothing is kept on disk for a pull that would leave less of it free. */
  readonly setMinFreeBytes?: (sizeBytes: number) => void;
  readonly setLogLevel: (level: LogLevel | undefined) => void;
  readonly createId: () => string;
  /** SHA-256 of UTF-8 text, in hexadecimal. */
  readonly sha256: (text: string) => string;
}

export interface Agent {
  readonly methods: MethodHandlers;
  /** What was counted since the start. */
  readonly tally: Tally;
  /** How everything stands now. */
  readonly toOverview: () => Overview;
  /** Whether the loop comes round, whatever is away. */
  readonly isAlive: () => boolean;
  /** Works until the signal aborts; then ends the pulls and sends a last report, within 6 s. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** An engine that is away is asked again this often. */
const ENGINE_RETRY_MS = 5000;
/** One failed look may be the engine's restart: only the second one in a row is told. */
const ENGINE_GRACE_MS = 1000;
/** A look that was overtaken by a change of our own is taken again. */
const STALE_RETRY_MS = 10;
/** So long a start waits for edgeHub before it takes what it remembers: mostly edgeHub is there, and knows better. */
const RECALL_AFTER_MS = 5000;

/** Wires the loop, the reporter beside it and the methods around one book. */
export function createAgent(given: AgentDeps): Agent {
  const { hub, log } = given;
  const clock = createWatchedClock(given.clock, (jumpMs) => {
    log.warn({ jumpSeconds: Math.round(jumpMs / 1000) }, 'the clock was set; times to come move with it');
    records.shiftTimes(book, jumpMs);
    herald.shift(jumpMs);
    // What was planned by the old time is planned anew.
    wake.ring();
  });
  const deps: AgentDeps = { ...given, clock };
  const tally = createTally();
  const engine = tellAway(meterEngine(deps.engine, tally, clock.steadyMs), () => {
    observer.invalidate();
    pace.ring();
  });
  const steady = toSteady(clock);
  const wake = createWake(steady);
  const pace = createPassPace(wake, steady);
  const pulse = createPulse(clock.steadyMs);
  const book = records.createBook();
  const observer = createObserver(engine, steady);
  const outlook = createOutlook();
  const herald = createHerald({ ...deps, book, outlook, onTold: () => remembrance?.ring() });
  const remember = async (): Promise<void> => remembrance?.saveNow();
  const transports = createTransports({ engine, relay: deps.relay, toSettings, clock, log });
  const shared = { engine, transports, observer, book, herald, clock, log, tally };
  const actions = createActions({ ...shared, toMoment, ring: pace.ring, remember });
  const toStatus = createStatus({
    version: deps.version,
    startedAtMs: clock.nowMs(),
    book,
    pulls: actions.pulls,
    outlook,
    transports,
    toInfo: () => observer.info,
    nowMs: clock.steadyMs,
  });
  const reporter = createReporter({
    hub,
    clock: steady,
    log,
    tally,
    toDocument: () => (outlook.isKnown ? withAbsent(toReported(toStatus())) : undefined),
    toIntervalMs: () => toSettings().reportIntervalSeconds * 1000,
  });
  const { pulls, measures } = actions;
  const isAlive = pulse.isBeating;
  const surroundings = createSurroundings({ hub, clock, tally, book, pulls, toStatus, toSettings, isAlive });
  const tasks = createTasks(deps.createId);
  const isEngineAway = (): boolean => watch.view?.kind === 'unavailable';
  const watch = createEngineWatch({
    log,
    onBack() {
      records.takeEngineBack(book, clock.nowMs());
      transports.forgetReach();
    },
  });
  const relayKeeper = createRelayKeeper({ ...deps, book });
  const plans = createImagePlans({ ...deps, book, engine, pulls, measures });
  const methods = createMethods({
    ...deps,
    engine,
    observer,
    book,
    tasks,
    outlook,
    toOverview: surroundings.toOverview,
    plans,
    transports,
    isEngineAway,
    ring: wake.ring,
  });

  const remembering = { book, herald, clock: steady, log, onRead: wake.ring };
  const remembrance = deps.memory && createRemembrance({ ...deps.memory, ...remembering });
  const intake = createIntake({ ...deps, book, outlook, remembrance });

  const recallAtMs = clock.steadyMs() + RECALL_AFTER_MS;

  /** At once: methods ask by it, and a report may change the twin before the next pass begins. */
  function takeTwin(): void {
    intake.take();
    wake.ring();
  }

  function toSettings(): Settings {
    return book.desired?.settings ?? DEFAULT_SETTINGS;
  }

  function toMoment(): Moment {
    return {
      nowMs: clock.nowMs(),
      random: clock.random(),
      generation: book.generation,
      policy: toSettings(),
    };
  }

  /** One pass. @returns when to look again, milliseconds since 1970 */
  async function pass(signal: AbortSignal): Promise<number> {
    if (clock.steadyMs() >= recallAtMs) intake.takeRecalled();
    const freeBytes = await engine.fetchFreeBytes(signal);
    const sought = book.desired;
    const looked = await observer.observe(sought, signal);
    pace.begin();
    if (signal.aborted) return Infinity;
    if (looked.kind === 'known' && (observer.isStale || book.desired !== sought)) {
      return clock.nowMs() + STALE_RETRY_MS;
    }
    if (!watch.take(looked)) return clock.nowMs() + ENGINE_GRACE_MS;
    surroundings.takeEngine(looked, freeBytes);
    if (looked.kind === 'known') {
      settleInherited(book, looked.index);
      // A name that is being given may not have been there yet when the engine was looked at.
      if (actions.running.tags.size === 0) disown(book, looked.index, clock.steadyMs());
    }
    const { desired } = book;
    if (desired === undefined) return rest();
    const vanished = records.takeObservation(book, looked, pulls.running, toMoment());
    for (const { name, digest } of vanished) {
      tally.count('evictions_total', {});
      herald.evicted(name, digest);
    }
    const { routes, isRelayOn } = transports;
    const now = { ...actions.toNow(), engine: looked, freeBytes };
    const world: World = { ...book, desired, ...now, routes, isRelayOn, keptBytes: relayKeeper.keptSizes() };
    if (looked.kind === 'unavailable' || toUnlisted(world).length === 0) return act(plan(world));
    const idsInUse = await observer.observeUsage(signal);
    if (signal.aborted) return Infinity;
    if (observer.isStale || book.desired !== desired) return clock.nowMs() + STALE_RETRY_MS;
    return act(plan({ ...world, ...actions.toNow(), engine: { ...looked, idsInUse } }));
  }

  /** Nothing is in force. @returns when to look again */
  function rest(): number {
    outlook.isKnown ||= intake.hasNothing;
    reporter.ring();
    const untilRecallMs = recallAtMs - clock.steadyMs();
    return nextLook(untilRecallMs > 0 ? clock.nowMs() + untilRecallMs : undefined);
  }

  /** Does what was planned. @returns when to look again */
  function act(planned: Plan): number {
    outlook.isKnown = true;
    outlook.former = undefined;
    herald.planned(planned);
    settleDemands(book, planned.settledDemands);
    actions.start(planned.actions);
    const standings = new Map<string, Standing>(planned.standings);
    for (const name of pulls.running.keys()) {
      if (standings.has(name)) standings.set(name, { phase: 'Pulling' });
    }
    outlook.standings = standings;
    surroundings.takeStandings(standings);
    relayKeeper.take(toSettings(), planned.standings, clock.nowMs());
    outlook.lastDesiredVersion = book.desired?.version;
    takeReady(outlook, planned.isReady ? toSetDigest() : undefined, clock.nowMs());
    herald.look();
    tasks.settle(standings, (name) => toOutcome(book, name));
    reporter.ring();
    remembrance?.ring();
    return nextLook(planned.wakeAtMs);
  }

  function toSetDigest(): string {
    return `sha256:${deps.sha256(formatSet(toStatus().images))}`;
  }

  function nextLook(wakeAtMs = Infinity): number {
    const idleMs = watch.view?.kind === 'unavailable' ? ENGINE_RETRY_MS : jitterMs(RESYNC_MS, clock.random());
    return Math.min(wakeAtMs, clock.nowMs() + idleMs);
  }

  async function stopActions(): Promise<void> {
    await actions.stop();
    takeEnd(outlook);
  }

  return {
    methods,
    tally,
    toOverview: surroundings.toOverview,
    isAlive,
    async run(signal) {
      await remembrance?.recall((recalled) => {
        intake.expect(recalled);
        wake.ring();
      });
      hub.onChange(takeTwin);
      takeTwin();
      const beside = new AbortController();
      const remembers = remembrance?.run(beside.signal);
      const work = Promise.all([reporter.run(beside.signal), herald.run(beside.signal), remembers]);
      const rounds = { clock, wake, pace, pulse, log, relist: observer.invalidate, pass };
      await Promise.all([loop(rounds, signal), observer.follow(pace.ring, signal)]);
      beside.abort();
      await endWork({ clock, stopActions, flush: reporter.flush, remember }, work);
    },
  };
}
