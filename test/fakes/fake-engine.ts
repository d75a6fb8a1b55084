import type { Engine, EngineInfo, InspectedImage, PulledImage, PullRequest } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import { formatPlatform, isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import type { LayerEvent } from '#core/progress';
import { AgentError } from '#core/reason';
import { formatReference, formatRepository, formatTagged } from '#core/reference';
import { createFakeImageStore, toDigestName } from '#test/fakes/fake-image-store';
import { createFakeRegistries } from '#test/fakes/fake-registries';
import type { FakeRegistries } from '#test/fakes/fake-registries';

/** A pull in flight: it goes on only as the test says. */
export interface FakePull {
  /** `host/repository[:tag][@digest]`. */
  readonly reference: string;
  readonly request: PullRequest;
  layer(layerId: string, event: LayerEvent): void;
  /** Ends the pull with what the registry serves now. */
  finish(): void;
  fail(error: AgentError): void;
}

/** A container engine in memory, with the registries that it reaches. It has no timers: nothing happens by itself. */
export interface FakeEngine extends Engine, FakeRegistries {
  /** Every call as a line: `pull 127.0.0.1:5000/app:1 as device`; never holds a password. */
  readonly calls: string[];
  /** In the order they were started. */
  readonly pulls: readonly FakePull[];
  /** Ids of images that containers use. */
  readonly idsInUse: Set<string>;
  info: EngineInfo;
  freeBytes: number | undefined;
  /** Whether every call fails with `EngineUnavailable`. Calls under way go on. */
  isAway: boolean;
  /** Whether a pull ends in the turn it was started in, without the test's doing. */
  pullsFinishAtOnce: boolean;
  /** Puts an image under a name without a pull; it is served first where it is not yet. */
  put(reference: string): InspectedImage;
  /** Takes an image away with all its names, behind the module's back. */
  evict(idOrReference: string): void;
  /** Ends the streams of events, as a restart of the engine does. */
  endEvents(): void;
}

/** Makes an engine without images that runs linux/amd64, and registries that serve nothing yet. */
export function createFakeEngine(): FakeEngine {
  const registries = createFakeRegistries();
  const listeners = new Set<{ readonly onEvent: () => void; readonly end: () => void }>();
  const store = createFakeImageStore(() => {
    for (const { onEvent } of listeners) onEvent();
  });
  const pulls: FakePull[] = [];

  /** Records a call and fails it where the test wants that. */
  function take(call: string, signal: AbortSignal, ...failing: readonly string[]): void {
    engine.calls.push(call);
    signal.throwIfAborted();
    if (engine.isAway) throw new AgentError('EngineUnavailable', 'the engine is away');
    registries.checkFailures(...failing);
  }

  /** What a pull leaves behind; an image on a foreign platform leaves everything as it was. */
  function settle({ reference, platform }: PullRequest): PulledImage {
    const image = registries.find(reference);
    if (!isPlatformMatch(image.platform, engine.info.platform, platform)) {
      throw new AgentError('PlatformMismatch', `the image is for ${formatPlatform(image.platform)}`);
    }
    const pinned = `${formatRepository(reference)}@${image.digest}`;
    const tagged = formatTagged(reference);
    const before = store.find(reference.digest === undefined ? (tagged ?? '') : pinned);
    const { id, digest, sizeBytes } = image;
    store.assign(pinned, image);
    if (tagged !== undefined) store.assign(tagged, image);
    return { id, digest, sizeBytes, platform: image.platform, wasPresent: before?.id === id };
  }

  function startPull(request: PullRequest): Promise<PulledImage> {
    const { promise, resolve, reject } = Promise.withResolvers<PulledImage>();
    const abort = (): void => reject(request.signal.reason);
    const pull: FakePull = {
      reference: formatReference(request.reference),
      request,
      layer: request.onLayer,
      finish() {
        try {
          resolve(settle(request));
        } catch (error) {
          reject(error);
        }
      },
      fail: reject,
    };
    pulls.push(pull);
    request.signal.addEventListener('abort', abort, { once: true });
    if (engine.pullsFinishAtOnce) {
      for (const [layerId, bytes] of Object.entries(registries.find(request.reference).layers)) {
        pull.layer(layerId, { kind: 'downloading', currentBytes: bytes, totalBytes: bytes });
        pull.layer(layerId, { kind: 'pulled' });
      }
      pull.finish();
    }
    return promise.finally(() => {
      pulls.splice(pulls.indexOf(pull), 1);
      request.signal.removeEventListener('abort', abort);
    });
  }

  const engine: FakeEngine = {
    ...registries,
    calls: [],
    pulls,
    idsInUse: new Set(),
    info: { version: '0.0.0', platform: { os: 'linux', architecture: 'amd64' }, store: 'classic' },
    freeBytes: 10_000_000_000,
    isAway: false,
    pullsFinishAtOnce: false,

    async ping(signal) {
      take('ping', signal);
    },
    async fetchInfo(signal) {
      take('fetchInfo', signal);
      return engine.info;
    },
    async listImages(signal) {
      take('listImages', signal);
      return store.list();
    },
    async inspectImage(idOrReference, signal) {
      take(`inspectImage ${idOrReference}`, signal);
      return store.find(idOrReference);
    },
    async listImageIdsInUse(signal) {
      take('listImageIdsInUse', signal);
      return new Set(engine.idsInUse);
    },
    async login(address, credential, signal) {
      take(`login ${address}${formatUser(credential)}`, signal, address);
      if (credential !== undefined) registries.checkPassword(address, credential);
    },
    async fetchManifest(reference, credential, signal) {
      const text = formatReference(reference);
      take(`fetchManifest ${text}${formatUser(credential)}`, signal, reference.registry, text);
      registries.checkPassword(reference.registry, credential);
      const { digest, platform } = registries.find(reference);
      return { digest, platforms: [platform] };
    },
    async pull(request) {
      const { reference, credential, signal } = request;
      const text = formatReference(reference);
      const call = `pull ${text}${formatFor(request.platform)}${formatUser(credential)}`;
      take(call, signal, reference.registry, text);
      registries.checkPassword(reference.registry, credential);
      registries.find(reference);
      return startPull(request);
    },
    async tag(idOrReference, target, signal) {
      take(`tag ${idOrReference} ${formatReference(target)}`, signal);
      const image = store.find(idOrReference);
      if (image === undefined) throw new AgentError('Unknown', `No such image: ${idOrReference}`);
      store.assign(formatReference(target), image);
    },
    async untag(reference, signal) {
      take(`untag ${reference}`, signal);
      const image = store.find(reference);
      if (image !== undefined && engine.idsInUse.has(image.id) && store.isLastName(reference)) return false;
      store.unassign(reference);
      return true;
    },
    async followEvents(onEvent, signal) {
      take('followEvents', signal);
      const { promise, resolve } = Promise.withResolvers<void>();
      const listener = { onEvent, end: resolve };
      listeners.add(listener);
      // As the real one does: what happened before the stream was open is not in it.
      onEvent();
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      listeners.delete(listener);
    },
    async fetchFreeBytes() {
      engine.calls.push('fetchFreeBytes');
      return engine.isAway ? undefined : engine.freeBytes;
    },

    put(reference) {
      const image = registries.served.get(reference) ?? registries.serve(reference);
      store.assign(toDigestName(reference, image.digest), image);
      store.assign(reference, image);
      return { ...image, tags: [], digests: [], ...store.find(reference) };
    },
    evict: (idOrReference) => store.remove(idOrReference),
    endEvents() {
      for (const { end } of listeners) end();
    },
  };
  return engine;
}

const formatUser = (credential: Credential | undefined): string =>
  credential === undefined ? '' : ` as ${credential.username}`;

const formatFor = (platform: Platform | undefined): string =>
  platform === undefined ? '' : ` for ${formatPlatform(platform)}`;
