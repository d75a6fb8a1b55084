import type { Clock, Engine, EngineInfo } from '#agent/ports';
import type { BroughtImage } from '#agent/transports';
import type { DesiredState } from '#core/desired-state';
import { toLayerTree } from '#core/image-content';
import type { LayerTree } from '#core/image-content';
import type { Platform } from '#core/platform';
import { toImageIndex, toNames, withNames } from '#core/presence';
import type { ImageIndex, ListedImage } from '#core/presence';
import { AgentError } from '#core/reason';
import { formatRepository, formatTagged } from '#core/reference';
import type { Reference } from '#core/reference';
import type { EngineView } from '#core/world';

/** Keeps what was seen of the engine, and looks again only when something may have changed. */
export interface Observer {
  readonly info: EngineInfo | undefined;
  /** The last look is older than a change that this module made itself: it must not be judged by. */
  readonly isStale: boolean;
  /** The last listing, with what was pulled since. */
  readonly last: ImageIndex | undefined;
  /** The id that a name had in the last listing; empty where it had none. */
  toId(name: string): string;
  /** The layers of all images of the last listing; one inspection for each that was never inspected before. */
  fetchLayers(signal: AbortSignal): Promise<LayerTree>;
  /** The engine said that something changed: the next look asks it again. */
  invalidate(): void;
  /** This module changed something in the engine: the next look asks again, and a look under way is stale. */
  change(): void;
  /** This module pulled something, which was inspected: the engine need not be asked, and a look under way is stale. */
  takePulled(reference: Reference, pulled: BroughtImage): void;
  /** Follows the engine's events until the signal aborts, through its restarts; `ring` says that something changed. */
  follow(ring: () => void, signal: AbortSignal): Promise<void>;
  /** What the engine has; one listing at most, and one inspection for each image id that was never seen before. */
  observe(desired: DesiredState | undefined, signal: AbortSignal): Promise<EngineView>;
  /** Ids of images that containers use; undefined where the engine does not say. Asked only where something is to be removed. */
  observeUsage(signal: AbortSignal): Promise<ReadonlySet<string> | undefined>;
}

/** A hanging engine must not hold the loop for longer. */
const ENGINE_TIMEOUT_MS = 15_000;

const EVENTS_RETRY_MS = 5000;

/**
 * Events cost one listing in so long: each pull causes some, and what it brought is known without them. A lone event is
 * looked after at once.
 */
const LISTING_PAUSE_MS = 1000;

/** Inspections in flight at once, when a long list is met for the first time. */
const MAX_CONCURRENT_INSPECTIONS = 4;

/** Makes an observer that has seen nothing yet. */
export function createObserver(engine: Engine, clock: Clock): Observer {
  let info: EngineInfo | undefined;
  /** Absent: the engine is to be asked. */
  let index: ImageIndex | undefined;
  let last: ImageIndex | undefined;
  let events = 0;
  let changes = 0;
  let changesAtListing = 0;
  /** When the last listing began. */
  let listedAtMs = -Infinity;
  /** What was pulled since the last look and stands in no index yet. */
  let pulled: ListedImage[] = [];
  /** Pulls that ended while the engine answered, which its answer may or may not show; undefined while none is under way. */
  let meanwhile: ListedImage[] | undefined;
  let onPulled = (): void => undefined;
  const platforms = new Map<string, Platform>();
  const layers = new Map<string, readonly string[]>();
  /** Of these layers; absent after a change of them. */
  let tree: LayerTree | undefined;

  /** The indexes, with what was pulled since. */
  function takeIn(): void {
    if (pulled.length === 0) return;
    const isLast = index === last;
    last = last && withNames(last, pulled);
    index = isLast ? last : index && withNames(index, pulled);
    pulled = [];
  }

  async function look(desired: DesiredState | undefined, signal: AbortSignal): Promise<EngineView> {
    const engineInfo = (info ??= await engine.fetchInfo(signal));
    takeIn();
    if (index !== undefined) changesAtListing = changes;
    const seen = index ?? (await list(signal));
    await inspectNew(toUnknownIds(desired, seen, platforms), signal);
    return { kind: 'known', platform: engineInfo.platform, index: seen, platforms, idsInUse: undefined };
  }

  async function list(signal: AbortSignal): Promise<ImageIndex> {
    const eventsBefore = events;
    changesAtListing = changes;
    const pulls: ListedImage[] = [];
    meanwhile = pulls;
    listedAtMs = clock.nowMs();
    const images = await engine.listImages(signal).finally(() => (meanwhile = undefined));
    const ids = new Set(images.map(({ id }) => id));
    for (const known of [platforms, layers])
      for (const id of known.keys()) if (!ids.has(id) && known.delete(id)) tree = undefined;
    const seen = toImageIndex(images);
    const listed = pulls.length === 0 ? seen : withNames(seen, pulls);
    changesAtListing += pulls.length;
    pulled = [];
    last = listed;
    // What changed while the engine answered may or may not be in its answer.
    if (events === eventsBefore && changes === changesAtListing) index = listed;
    return listed;
  }

  async function inspectNew(ids: Iterable<string>, signal: AbortSignal): Promise<void> {
    const queue = [...ids].filter((id) => !platforms.has(id) || !layers.has(id));
    const worker = async (): Promise<void> => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        const image = await engine.inspectImage(id, signal);
        if (image === undefined) continue;
        platforms.set(id, image.platform);
        layers.set(id, image.diffIds);
        tree = undefined;
      }
    };
    await Promise.all(Array.from({ length: MAX_CONCURRENT_INSPECTIONS }, worker));
  }

  return {
    get info() {
      return info;
    },
    get last() {
      return last;
    },
    get isStale() {
      return changes !== changesAtListing;
    },
    async fetchLayers(signal) {
      takeIn();
      const images = [...(last?.byName.values() ?? []), ...(last?.nameless.values() ?? [])];
      await inspectNew(new Set(images.map(({ id }) => id)), signal);
      return (tree ??= toLayerTree(layers.values()));
    },
    toId: (name) => (pulled.findLast((image) => isNamed(image, name)) ?? last?.byName.get(name))?.id ?? '',
    invalidate() {
      index = undefined;
      events += 1;
    },
    change() {
      index = undefined;
      changes += 1;
    },
    takePulled(reference, { id, digest, sizeBytes, platform, hasDigest }) {
      const tagged = formatTagged(reference);
      const image: ListedImage = {
        id,
        platforms: [platform],
        sizeBytes,
        tags: tagged === undefined ? [] : [tagged],
        digests: hasDigest ? [`${formatRepository(reference)}@${digest}`] : [],
      };
      platforms.set(id, platform);
      changes += 1;
      meanwhile?.push(image);
      pulled.push(image);
      // As its events do, where they come: whatever else changed and was not told is seen then.
      onPulled();
    },
    async follow(ring, signal) {
      let isDue = false;
      const look = (): void => {
        index = undefined;
        events += 1;
        ring();
      };
      const onEvent = (): void => {
        const delayMs = listedAtMs + LISTING_PAUSE_MS - clock.nowMs();
        if (delayMs <= 0) return look();
        if (isDue) return;
        isDue = true;
        void clock.sleep(delayMs, signal).then(() => {
          isDue = false;
          if (!signal.aborted) look();
        });
      };
      onPulled = onEvent;
      while (!signal.aborted) {
        try {
          await engine.followEvents(onEvent, signal);
        } catch {
          // The listing says what an event would have; that the engine is away is told by the loop.
        }
        if (!signal.aborted) look();
        await clock.sleep(EVENTS_RETRY_MS, signal);
      }
    },
    async observe(desired, signal) {
      const timeout = AbortSignal.timeout(ENGINE_TIMEOUT_MS);
      try {
        return await look(desired, AbortSignal.any([signal, timeout]));
      } catch (error) {
        // An engine that comes back may be another one.
        info = undefined;
        index = undefined;
        if (timeout.aborted) {
          const message = `The engine did not answer within ${ENGINE_TIMEOUT_MS / 1000} s.`;
          return { kind: 'unavailable', message };
        }
        return { kind: 'unavailable', message: AgentError.of(error).message };
      }
    },
    async observeUsage(signal) {
      try {
        return await engine.listImageIdsInUse(
          AbortSignal.any([signal, AbortSignal.timeout(ENGINE_TIMEOUT_MS)]),
        );
      } catch {
        // Nothing is removed while it is not known what is in use; the next pass asks again.
        return undefined;
      }
    },
  };
}

const isNamed = ({ tags, digests }: ListedImage, name: string): boolean =>
  tags.includes(name) || digests.includes(name);

/** Of images that are wanted and whose platform neither the listing nor an inspection told. */
function toUnknownIds(
  desired: DesiredState | undefined,
  { byName }: ImageIndex,
  platforms: ReadonlyMap<string, Platform>,
): string[] {
  const ids = new Set<string>();
  for (const image of desired?.images.values() ?? []) {
    if (image.kind === 'fault') continue;
    for (const name of toNames(image.spec)) {
      const listed = byName.get(name);
      if (listed === undefined || listed.platforms !== undefined) continue;
      if (!platforms.has(listed.id)) ids.add(listed.id);
    }
  }
  return [...ids];
}
