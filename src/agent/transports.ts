import type { Clock, Engine, Log, PulledImage, PullRequest, RemoteManifest } from '#agent/ports';
import type { ContentQuestion, Relay, SizeQuestion } from '#agent/relay-port';
import { pullThroughRelay } from '#agent/relayed-pull';
import { askEngineTwice, askRelayTwice } from '#agent/second-asking';
import type { Settings } from '#core/desired-state';
import type { ImageContent } from '#core/image-content';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { DOCKER_HUB } from '#core/reference';
import type { Reference } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
import { isLoopbackHost, split } from '#core/registry-advice';
import type { Obstacle, Route, Transport } from '#core/route';

/** Registries, asked by the engine or by the module itself, whichever brings the bytes. Every failure is an `AgentError`. */
export interface Transports {
  /** By the address of a registry, where it has been decided. */
  readonly routes: ReadonlyMap<string, Route>;
  /** Whether the relay keeps what comes on disk until the engine has it. */
  readonly isKeeping: boolean;
  /** Whether anything can go through the relay now. */
  readonly isRelayOn: boolean;
  /** Proves an access to its registry, and decides how its images come. */
  login(access: RegistryAccess, signal: AbortSignal): Promise<void>;
  fetchManifest(reference: Reference, access: RegistryAccess, signal: AbortSignal): Promise<RemoteManifest>;
  /** What an image holds; undefined where the engine pulls it, and only the engine knows. */
  fetchContent(question: ContentQuestion): Promise<ImageContent | undefined>;
  /** As the relay's; nothing where there is none. */
  fetchUnpackedSizes(question: SizeQuestion): Promise<ReadonlyMap<string, number>>;
  pull(request: TransportedPull): Promise<BroughtImage>;
  /** Whether the engine reaches the relay: asked anew, since it is another engine or the first one again. */
  forgetReach(): void;
  /** Why nothing can go through the relay; undefined where it can. */
  findObstacle(signal: AbortSignal): Promise<Obstacle | undefined>;
}

/** What a pull brought, and how. */
export interface BroughtImage extends PulledImage {
  readonly transport: Transport;
  /** Whether the engine knows it by the registry's digest too, and not by its tag alone. */
  readonly hasDigest: boolean;
}

/** A pull, whichever way it goes. */
export interface TransportedPull extends PullRequest {
  readonly access: RegistryAccess;
  /** The engine's own platform. */
  readonly engine: ContentQuestion['platform'];
  /** Through the relay a registry that sends no byte for so long is given up. */
  readonly stallTimeoutMs: number;
  /** Called when it is decided how the bytes come; again where that turns out to fail. */
  readonly onTransport: (transport: Transport) => void;
  /** Called for what the image holds, where that is known. */
  readonly onContent: (content: ImageContent) => void;
  /** Called as bytes come from the registry, where the module sees them. */
  readonly onFetched: (sizeBytes: number) => void;
}

export interface TransportDeps {
  readonly engine: Engine;
  /** Absent: it is off. */
  readonly relay: Relay | undefined;
  readonly toSettings: () => Pick<Settings, 'transport'>;
  readonly clock: Clock;
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

/** Makes the transports; nothing is asked before the first call. */
export function createTransports({ toSettings, clock, log, ...deps }: TransportDeps): Transports {
  const engine = askEngineTwice(deps.engine, clock);
  const relay = deps.relay && askRelayTwice(deps.relay, clock);
  const routes = new Map<string, Route>();
  /** Until when a route by the engine holds, by the steady clock. */
  const engineUntilMs = new Map<string, number>();
  /** Whether the engine reaches a registry itself, where that was tried. */
  const engineReach = new Map<string, boolean>();
  let reach: { readonly isReached: boolean; readonly untilMs: number } | undefined;
  let probing: Promise<boolean> | undefined;

  function take(address: string, route: Route): Route {
    const before = routes.get(address);
    routes.set(address, route);
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
    return route;
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

  /** Tries the module's own way to a registry. @returns undefined where the engine is to try its own */
  async function tryRelay(access: RegistryAccess, signal: AbortSignal): Promise<Route | undefined> {
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
      return take(address, { ...route, isPlainHttp });
    } catch (error) {
      signal.throwIfAborted();
      const { reason, message } = AgentError.of(error);
      if (ANSWERS.has(reason))
        take(address, { ...route, isPlainHttp: routes.get(address)?.isPlainHttp ?? false });
      if (ANSWERS.has(reason) || isForced) throw error;
      const why = `The module itself does not reach the registry: ${message}`;
      take(address, { transport: 'engine', why, isPlainHttp: false });
      return undefined;
    }
  }

  /** The relay, where that is the way to a registry. */
  async function chooseRelay(access: RegistryAccess, signal: AbortSignal): Promise<Relay | undefined> {
    const { address } = access;
    const obstacle = await findObstacleTo(address, signal);
    if (obstacle === undefined) {
      const known = routes.get(address);
      if (known?.transport === 'relay') return relay;
      if (known !== undefined && clock.steadyMs() < (engineUntilMs.get(address) ?? 0)) return undefined;
    }
    return (await tryRelay(access, signal)) === undefined ? undefined : relay;
  }

  /** What went wrong on the way to a registry may go better another way. */
  function doubt(address: string, error: unknown): void {
    if (OBSTRUCTED.has(AgentError.of(error).reason)) routes.delete(address);
  }

  return {
    routes,
    findObstacle,
    isKeeping: relay?.isKeeping ?? false,
    get isRelayOn() {
      return relay?.standing.kind === 'serving';
    },
    forgetReach() {
      reach = undefined;
      engineReach.clear();
    },
    async login(access, signal) {
      engineReach.delete(access.address);
      if ((await tryRelay(access, signal)) !== undefined) return;
      await engine.login(access.address, access.credential, signal);
    },
    async fetchManifest(reference, access, signal) {
      const chosen = await chooseRelay(access, signal);
      if (chosen === undefined) return engine.fetchManifest(reference, access.credential, signal);
      try {
        return await chosen.fetchManifest(reference, access, signal);
      } catch (error) {
        doubt(access.address, error);
        throw error;
      }
    },
    async fetchContent(question) {
      const { access, signal } = question;
      const chosen = await chooseRelay(access, signal);
      if (chosen === undefined) return undefined;
      try {
        return await chosen.fetchContent(question);
      } catch (error) {
        doubt(access.address, error);
        throw error;
      }
    },
    fetchUnpackedSizes: async (question) => (await relay?.fetchUnpackedSizes(question)) ?? new Map(),
    async pull(request) {
      const { access, signal } = request;
      const chosen = await chooseRelay(access, signal);
      if (chosen !== undefined) {
        request.onTransport('relay');
        try {
          const pulled = await pullThroughRelay(request, { engine, relay: chosen, engineReach, clock, log });
          if (pulled !== 'unreached') return { ...pulled, transport: 'relay' };
        } catch (error) {
          doubt(access.address, error);
          throw error;
        }
        reach = { isReached: false, untilMs: clock.steadyMs() + RETRY_MS };
        const { why } = (await findObstacle(signal)) ?? RELAY_OFF;
        if (toSettings().transport === 'relay') throw new AgentError('Unknown', why);
        take(access.address, { transport: 'engine', why, isPlainHttp: false });
      }
      request.onTransport('engine');
      return { ...(await engine.pull(request)), transport: 'engine', hasDigest: true };
    },
  };
}
