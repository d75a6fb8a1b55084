import type { Clock, Engine, Log } from '#agent/ports';
import type { Relay } from '#agent/relay-port';
import type { Settings } from '#core/desired-state';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { DOCKER_HUB } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
import { isLoopbackHost, split } from '#core/registry-advice';
import type { Obstacle, Route } from '#core/route';

/** Decides for each registry how its images come, and remembers it. Every failure is an `AgentError`. */
export interface Routes {
  /** By the address of a registry, where it has been decided. */
  readonly decided: ReadonlyMap<string, Route>;
  /** Why nothing can go through the relay; undefined where it can. */
  findObstacle(signal: AbortSignal): Promise<Obstacle | undefined>;
  /** Tries the module's own way to a registry. @returns undefined where the engine is to try its own */
  tryRelay(access: RegistryAccess, signal: AbortSignal): Promise<Relay | undefined>;
  /** The relay, where that is the way to a registry; tried where that is not known, or not any more. */
  chooseRelay(access: RegistryAccess, signal: AbortSignal): Promise<Relay | undefined>;
  /** What went wrong on the way to a registry may go better another way. */
  doubt(address: string, error: unknown): void;
  /** The engine did not come to the relay for an image. Throws `Unknown` where the settings allow no other way. */
  takeUnreached(address: string, signal: AbortSignal): Promise<void>;
  /** Whether the engine reaches the relay is asked anew. */
  forgetReach(): void;
}

/** What is needed to try a way. */
export interface RouteDeps {
  readonly engine: Pick<Engine, 'fetchManifest'>;
  /** Absent: it is off. */
  readonly relay: Relay | undefined;
  readonly toSettings: () => Pick<Settings, 'transport'>;
  readonly clock: Pick<Clock, 'steadyMs'>;
  readonly log: Log;
}

/** An engine that did not reach the relay is tried again after this long; a registry that the module did not reach too. */
const RETRY_MS = 60_000;

/** What a registry says that was reached: another way to it would hear the same. */
const ANSWERS: ReadonlySet<FailureReason> = new Set([
  'Unauthorized',
  'AccessDenied',
  'RateLimited',
  'NotFound',
]);

/** What says that the way to a registry is broken, or may be. */
const OBSTRUCTED: ReadonlySet<FailureReason> = new Set([
  'RegistryUnreachable',
  'RegistryUntrusted',
  'RegistryInsecure',
  'RegistryError',
  'Stalled',
]);

const RELAY_OFF: Obstacle = { kind: 'off', why: 'The relay is off.' };

/** Makes the routes, of which none is decided; nothing is asked before the first call. */
export function createRoutes({ engine, relay, toSettings, clock, log }: RouteDeps): Routes {
  const decided = new Map<string, Route>();
  /** Until when a route by the engine holds, by the steady clock. */
  const engineUntilMs = new Map<string, number>();
  let reach: { readonly isReached: boolean; readonly untilMs: number } | undefined;
  let probing: Promise<boolean> | undefined;

  function take(address: string, route: Route): void {
    const before = decided.get(address);
    decided.set(address, route);
    if (route.transport === 'engine') engineUntilMs.set(address, clock.steadyMs() + RETRY_MS);
    const { transport, why, isPlainHttp } = route;
    if (isPlainHttp && before?.isPlainHttp !== true && !isLoopbackHost(split(address).host)) {
      log.warn(
        { address },
        'the registry speaks plain HTTP and nothing else: images and password go in clear',
      );
    }
    if (before !== undefined && before.transport !== transport) {
      log.info({ address, transport, why }, 'images of the registry come another way now');
    } else if (before === undefined) {
      log.debug({ address, transport, why }, 'decided how images of the registry come');
    }
  }

  async function probe(working: Relay, signal: AbortSignal): Promise<boolean> {
    const offered = working.offerProbe();
    try {
      await engine.fetchManifest(offered.reference, undefined, signal);
    } catch (error) {
      // Whatever it says: what counts is whether it came.
      if (!offered.wasAsked && AgentError.of(error).reason === 'EngineUnavailable') throw error;
    } finally {
      offered.end();
    }
    signal.throwIfAborted();
    const isReached = offered.wasAsked;
    reach = { isReached, untilMs: isReached ? Infinity : clock.steadyMs() + RETRY_MS };
    return isReached;
  }

  async function isReached(working: Relay, signal: AbortSignal): Promise<boolean> {
    if (reach !== undefined && clock.steadyMs() < reach.untilMs) return reach.isReached;
    probing ??= probe(working, signal).finally(() => (probing = undefined));
    return probing;
  }

  async function findObstacle(signal: AbortSignal): Promise<Obstacle | undefined> {
    if (toSettings().transport === 'engine')
      return { kind: 'unwanted', why: 'settings.transport is engine.' };
    if (relay === undefined) return RELAY_OFF;
    const { standing } = relay;
    if (standing.kind === 'off') return { kind: 'off', why: `The relay is off: ${standing.why}.` };
    if (await isReached(relay, signal)) return undefined;
    return { kind: 'unreached', why: `The engine does not reach the relay at ${standing.address}.` };
  }

  async function findObstacleTo(address: string, signal: AbortSignal): Promise<Obstacle | undefined> {
    if (address === DOCKER_HUB) return { kind: 'unwanted', why: 'Docker Hub is left to the engine.' };
    return findObstacle(signal);
  }

  async function tryRelay(access: RegistryAccess, signal: AbortSignal): Promise<Relay | undefined> {
    const { address } = access;
    const isForced = toSettings().transport === 'relay';
    const obstacle = await findObstacleTo(address, signal);
    if (obstacle !== undefined || relay === undefined) {
      const { kind, why } = obstacle ?? RELAY_OFF;
      if (isForced && kind !== 'unwanted')
        throw new AgentError('Unknown', `settings.transport is relay. ${why}`);
      take(address, { transport: 'engine', why, isPlainHttp: false });
      return undefined;
    }
    const route: Route = {
      transport: 'relay',
      why: 'The module reaches the registry, and the engine reaches the relay.',
      isPlainHttp: false,
    };
    try {
      const { isPlainHttp } = await relay.login(access, signal);
      take(address, { ...route, isPlainHttp });
      return relay;
    } catch (error) {
      signal.throwIfAborted();
      const { reason, message } = AgentError.of(error);
      if (ANSWERS.has(reason))
        take(address, { ...route, isPlainHttp: decided.get(address)?.isPlainHttp ?? false });
      if (ANSWERS.has(reason) || isForced) throw error;
      const why = `The module itself does not reach the registry: ${message}`;
      take(address, { transport: 'engine', why, isPlainHttp: false });
      return undefined;
    }
  }

  async function chooseRelay(access: RegistryAccess, signal: AbortSignal): Promise<Relay | undefined> {
    const { address } = access;
    const obstacle = await findObstacleTo(address, signal);
    if (obstacle === undefined) {
      const known = decided.get(address);
      if (known?.transport === 'relay') return relay;
      if (known !== undefined && clock.steadyMs() < (engineUntilMs.get(address) ?? 0)) return undefined;
    }
    return tryRelay(access, signal);
  }

  return {
    decided,
    findObstacle,
    tryRelay,
    chooseRelay,
    doubt(address, error) {
      if (OBSTRUCTED.has(AgentError.of(error).reason)) decided.delete(address);
    },
    async takeUnreached(address, signal) {
      reach = { isReached: false, untilMs: clock.steadyMs() + RETRY_MS };
      const { why } = (await findObstacle(signal)) ?? RELAY_OFF;
      if (toSettings().transport === 'relay') throw new AgentError('Unknown', why);
      take(address, { transport: 'engine', why, isPlainHttp: false });
    },
    forgetReach() {
      reach = undefined;
    },
  };
}
