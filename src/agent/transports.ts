import type { Clock, Engine, PulledImage, PullRequest, RemoteManifest } from '#agent/ports';
import type { ContentQuestion, SizeQuestion } from '#agent/relay-port';
import { pullThroughRelay } from '#agent/relayed-pull';
import { createRoutes } from '#agent/routes';
import type { RouteDeps } from '#agent/routes';
import { askEngineTwice, askRelayTwice } from '#agent/second-asking';
import type { ImageContent } from '#core/image-content';
import type { Reference } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
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
  /** What the image holds, where the registry was asked for that a moment ago: the relay asks no second time. */
  readonly content: ImageContent | undefined;
  /** Through the relay a registry that sends no byte for so long is given up. */
  readonly stallTimeoutMs: number;
  /** Called when it is decided how the bytes come; again where that turns out to fail. */
  readonly onTransport: (transport: Transport) => void;
  /** Called for what the image holds, where that is known. */
  readonly onContent: (content: ImageContent) => void;
  /** Called as bytes come from the registry, where the module sees them. */
  readonly onFetched: (sizeBytes: number) => void;
  /** Called when all came through the relay, and the engine asks the registry for the name. */
  readonly onNaming: () => void;
}

export interface TransportDeps extends RouteDeps {
  readonly engine: Engine;
  readonly clock: Clock;
}

/** Makes the transports; nothing is asked before the first call. */
export function createTransports({ toSettings, clock, log, ...deps }: TransportDeps): Transports {
  const engine = askEngineTwice(deps.engine, clock);
  const relay = deps.relay && askRelayTwice(deps.relay, clock);
  const routes = createRoutes({ engine, relay, toSettings, clock, log });
  /** Whether the engine reaches a registry itself, where that was tried. */
  const engineReach = new Map<string, boolean>();

  return {
    routes: routes.decided,
    findObstacle: routes.findObstacle,
    isKeeping: relay?.isKeeping ?? false,
    get isRelayOn() {
      return relay?.standing.kind === 'serving';
    },
    forgetReach() {
      routes.forgetReach();
      engineReach.clear();
    },
    async login(access, signal) {
      engineReach.delete(access.address);
      if ((await routes.tryRelay(access, signal)) !== undefined) return;
      await engine.login(access.address, access.credential, signal);
    },
    async fetchManifest(reference, access, signal) {
      const chosen = await routes.chooseRelay(access, signal);
      if (chosen === undefined) return engine.fetchManifest(reference, access.credential, signal);
      try {
        return await chosen.fetchManifest(reference, access, signal);
      } catch (error) {
        routes.doubt(access.address, error);
        throw error;
      }
    },
    async fetchContent(question) {
      const { access, signal } = question;
      const chosen = await routes.chooseRelay(access, signal);
      if (chosen === undefined) return undefined;
      try {
        return await chosen.fetchContent(question);
      } catch (error) {
        routes.doubt(access.address, error);
        throw error;
      }
    },
    fetchUnpackedSizes: async (question) => (await relay?.fetchUnpackedSizes(question)) ?? new Map(),
    async pull(request) {
      const { access, signal } = request;
      const chosen = await routes.chooseRelay(access, signal);
      if (chosen !== undefined) {
        request.onTransport('relay');
        try {
          const pulled = await pullThroughRelay(request, { engine, relay: chosen, engineReach, clock, log });
          if (pulled !== 'unreached') return { ...pulled, transport: 'relay' };
        } catch (error) {
          routes.doubt(access.address, error);
          throw error;
        }
        await routes.takeUnreached(access.address, signal);
      }
      request.onTransport('engine');
      return { ...(await engine.pull(request)), transport: 'engine', hasDigest: true };
    },
  };
}
