import Docker from 'dockerode';
import { toListedImage, toPlatform, toPlatforms, toStore } from '#adapters/docker-answers';
import type { InfoAnswer } from '#adapters/docker-answers';
import { fetchPullAuth, isTokenRefused, toAuth } from '#adapters/docker-auth';
import { createDockerConnection, QUERY_TIMEOUT_MS, toStatus } from '#adapters/docker-connection';
import { createEngineDisk } from '#adapters/docker-disk';
import { pullImage } from '#adapters/docker-pull';
import { createEngineInquiry } from '#adapters/engine-answers';
import { readLines } from '#adapters/pull-stream';
import type { Engine, Log, PullRequest } from '#agent/ports';
import { formatPlatform } from '#core/platform';
import type { Platform } from '#core/platform';
import { AgentError, toLoginFailure } from '#core/reason';
import { formatReference, formatRepository } from '#core/reference';
import { createTurnstile } from '#core/turnstile';

export interface DockerEngineOptions {
  /** `unix:///path`, `tcp://host:port` or `http(s)://host:port`. */
  readonly dockerHost: string;
  /** The host's address, where the module fetches a token from a loopback address at which nobody listens. */
  readonly findHost?: () => Promise<string | undefined>;
  readonly log?: Log;
}

/** Of an engine that is reached without TLS. */
const DEFAULT_PORT = 2375;

/**
 * A Docker engine, 20.10 or later. Nothing is sent before the first call; an engine that comes later is found.
 *
 * @see https://docs.docker.com/reference/api/engine/version/v1.41/
 */
export function createDockerEngine({ dockerHost, findHost, log }: DockerEngineOptions): Engine {
  const address = toAddress(dockerHost);
  // The limit is for what the client cannot abort; `ask` itself rejects before.
  const queries = new Docker({ ...address, timeout: QUERY_TIMEOUT_MS + 5000 });
  const streams = new Docker({ ...address, timeout: undefined });
  const { ask, ping, follow } = createDockerConnection(dockerHost, () => queries.version());
  // Docker looks which names an image has left before it takes the last ones: where two go at once it may keep it for ever.
  const inTurn = createTurnstile(1);
  const inquiry = createEngineInquiry(queries, ask);
  const disk = createEngineDisk(ask, async () => {
    const info: InfoAnswer = await queries.info();
    return info.DockerRootDir;
  });

  async function fetchPlatform(signal: AbortSignal): Promise<Platform> {
    const { version } = await inquiry.recall(signal);
    return toPlatform(version.Os, version.Arch);
  }

  async function* openPull(request: PullRequest): AsyncGenerator<Uint8Array> {
    const { reference, credential, platform, signal } = request;
    const options = {
      fromImage: formatRepository(reference),
      // An empty one would pull every tag.
      tag: reference.digest ?? reference.tag ?? 'latest',
      ...(platform === undefined ? {} : { platform: formatPlatform(platform) }),
      abortSignal: signal,
    };
    const auth = await fetchPullAuth(request, inquiry.recall, { findHost, log });
    try {
      yield* follow(signal, () => streams.createImage(auth, options), credential);
    } catch (error) {
      throw isTokenRefused(error, auth) ? new AgentError('AccessDenied', error.message) : error;
    }
  }

  const engine: Engine = {
    ping,

    async fetchInfo(signal) {
      const { version, info } = await inquiry.fetch(signal);
      return {
        version: version.Version,
        platform: toPlatform(version.Os, version.Arch),
        store: toStore(info),
      };
    },

    async listImages(signal) {
      const images = await ask(signal, (abortSignal) => queries.listImages({ manifests: true, abortSignal }));
      return images.map(toListedImage);
    },

    async inspectImage(idOrReference, signal) {
      const image = await ask(signal, (abortSignal) =>
        inspect(queries, idOrReference, abortSignal).catch(insteadOf(404, undefined)),
      );
      if (image === undefined) return undefined;
      const { Os, Architecture, Variant, RootFS } = image;
      return {
        ...toListedImage(image),
        platform: toPlatform(Os, Architecture, Variant),
        diffIds: RootFS?.Layers ?? [],
      };
    },

    async listImageIdsInUse(signal) {
      const containers = await ask(signal, (abortSignal) =>
        queries.listContainers({ all: true, abortSignal }),
      );
      return new Set(containers.map(({ ImageID }) => ImageID));
    },

    async login(registry, credential, signal) {
      const question = {
        serveraddress: registry,
        username: '',
        password: '',
        ...toAuth(registry, credential),
      };
      try {
        await ask(signal, (abortSignal) => queries.checkAuth({ ...question, abortSignal }), {
          address: registry,
          credential,
        });
      } catch (thrown) {
        const error = toLoginFailure(thrown);
        // That it wants a password shows that the registry is there.
        const isAnswer = error instanceof AgentError && error.reason === 'Unauthorized';
        if (credential !== undefined || !isAnswer) throw error;
      }
    },

    async fetchManifest(reference, credential, signal) {
      const authconfig = toAuth(reference.registry, credential);
      const { Descriptor, Platforms } = await ask(
        signal,
        (abortSignal) =>
          queries.getImage(formatReference(reference)).distribution({ authconfig, abortSignal }),
        { address: reference.registry, credential },
      ).catch(explainNoQuestion);
      return { digest: Descriptor.digest, platforms: toPlatforms(Platforms) };
    },

    pull: (request) =>
      pullImage(request, { engine, open: openPull, fetchPlatform, log }).finally(disk.forget),

    async tag(idOrReference, target, signal) {
      const options = { repo: formatRepository(target), tag: target.tag ?? 'latest' };
      await ask(signal, (abortSignal) => queries.getImage(idOrReference).tag({ ...options, abortSignal }));
    },

    async untag(reference, signal) {
      const remove = (name: string): Promise<boolean | undefined> =>
        ask(signal, (abortSignal) =>
          inTurn(async () => {
            abortSignal.throwIfAborted();
            return queries
              .getImage(name)
              .remove({ abortSignal })
              .then(() => true)
              .catch(insteadOf(404, undefined))
              .catch(insteadOf(409, false));
          }),
        );
      const isGone = await remove(reference);
      if (isGone !== undefined) return isGone;
      // The containerd store keeps an image whose tag moved on, under no name: there its id is the digest.
      const [, digest] = reference.split('@');
      const left = digest === undefined ? undefined : await engine.inspectImage(digest, signal);
      if (left === undefined || left.tags.length + left.digests.length > 0) return true;
      return (await remove(left.id)) ?? true;
    },

    async followEvents(onEvent, signal) {
      const options: Docker.GetEventsOptions = { filters: { type: ['image'] }, abortSignal: signal };
      const open = (): Promise<NodeJS.ReadableStream> => {
        const events = streams.getEvents(options);
        // What happened before the stream was open is not in it.
        void events.then(onEvent, () => undefined);
        return events;
      };
      try {
        for await (const _event of readLines(follow(signal, open))) onEvent();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },

    fetchFreeBytes: disk.fetchFreeBytes,
  };
  return engine;
}

/** Podman has no such question, and its 404 has no words of its own. */
function explainNoQuestion(error: unknown): never {
  if (!(error instanceof AgentError) || error.message !== 'Not Found') throw error;
  const what =
    'The engine has no GET /distribution, as Podman has none: it cannot look a tag up at a registry.';
  throw new AgentError('Unknown', what);
}

/** Every option is given: the client would take what is left out from DOCKER_HOST and its like. */
function toAddress(dockerHost: string): Docker.DockerOptions {
  if (dockerHost.startsWith('unix://')) {
    return {
      socketPath: dockerHost.slice('unix://'.length),
      host: undefined,
      port: undefined,
      protocol: 'http',
    };
  }
  const { hostname, protocol } = new URL(dockerHost);
  // A URL of HTTP leaves its scheme's own port out, also where it is written down.
  const { port } = new URL(dockerHost.replace(/^https?:/, 'tcp:'));
  return {
    socketPath: undefined,
    host: hostname,
    port: port === '' ? DEFAULT_PORT : port,
    protocol: protocol === 'https:' ? 'https' : 'http',
  };
}

/** As the client's own `inspect`, which leaves all options out. */
function inspect(
  client: Docker,
  idOrReference: string,
  signal: AbortSignal,
): Promise<Docker.ImageInspectInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<Docker.ImageInspectInfo>();
  const question = {
    path: `/images/${idOrReference}/json?`,
    method: 'GET',
    options: { manifests: true },
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
    abortSignal: signal,
  };
  client.modem.dial(question, (error, image) => {
    if (error) reject(error as Error);
    else resolve(image as Docker.ImageInspectInfo);
  });
  return promise;
}

function insteadOf<T>(status: number, answer: T): (error: unknown) => T {
  return (error) => {
    if (toStatus(error) === status) return answer;
    throw error;
  };
}
