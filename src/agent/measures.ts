import type { Book } from '#agent/book';
import type { Observer } from '#agent/observe';
import type { Clock } from '#agent/ports';
import type { RegistryAccess } from '#core/registry-access';
import type { Transports } from '#agent/transports';
import type { ImageSpec } from '#core/desired-state';
import { toAmpleBytes, toDiskNeed } from '#core/disk-need';
import type { Storage } from '#core/disk-need';
import { isComparedLongAgo, toMissingLayers, withUnpackedBytes } from '#core/image-content';
import type { ImageContent, KnownContent } from '#core/image-content';
import { toImageKey } from '#core/image-record';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';

/** Finds out what images hold, before and while they are pulled. Every failure is an `AgentError`. */
export interface Measures {
  /** The engine's own platform. Throws `EngineUnavailable` where it has not answered yet. */
  toPlatform(): Platform;
  /**
   * Finds out what is not known yet, of `before` if something is: what the image holds, from its registry; what the
   * engine has of it by now; how large missing layers are unpacked, for 10 s at most, of which some may stay a guess.
   * Undefined where the image goes through the engine, and only that knows.
   */
  find(
    spec: ImageSpec,
    access: RegistryAccess,
    before: KnownContent | undefined,
    signal: AbortSignal,
  ): Promise<KnownContent | undefined>;
  /** How what is fetched is kept on the engine's disk. */
  toStorage(): Storage;
  /** What of a content the engine has, and what the rest takes on its disk. */
  compare(spec: ImageSpec, content: ImageContent, signal: AbortSignal): Promise<KnownContent>;
}

export interface MeasureDeps {
  readonly transports: Pick<Transports, 'fetchContent' | 'fetchUnpackedSizes' | 'isKeeping'>;
  readonly observer: Pick<Observer, 'info' | 'last' | 'fetchLayers'>;
  readonly book: Pick<Book, 'generation'>;
  readonly clock: Pick<Clock, 'nowMs' | 'steadyMs'>;
}

/** An image waits for no longer. */
const SIZING_MS = 10_000;

/** Makes the measures; nothing is asked before the first call. */
export function createMeasures({ transports, observer, book, clock }: MeasureDeps): Measures {
  function toPlatform(): Platform {
    if (observer.info !== undefined) return observer.info.platform;
    throw new AgentError('EngineUnavailable', 'The Docker engine has not answered yet.');
  }

  const toStorage = (): Storage => ({
    store: observer.info?.store ?? 'classic',
    isKept: transports.isKeeping,
  });

  async function compare(spec: ImageSpec, content: ImageContent, signal: AbortSignal): Promise<KnownContent> {
    const missing = toMissingLayers(content, await observer.fetchLayers(signal));
    const storage = toStorage();
    const ampleBytes = toAmpleBytes(missing, storage);
    const compared = { atMs: clock.nowMs(), listing: observer.last };
    return {
      key: toImageKey(spec),
      content,
      compared,
      missing,
      ampleBytes,
      ...toDiskNeed(missing, storage),
    };
  }

  async function ask(
    spec: ImageSpec,
    access: RegistryAccess,
    signal: AbortSignal,
  ): Promise<KnownContent | undefined> {
    const { reference, platform: wanted } = spec;
    const asked = { atMs: clock.steadyMs(), generation: book.generation };
    const platform = toPlatform();
    const content = await transports.fetchContent({ reference, access, platform, wanted, signal });
    return content === undefined ? undefined : { ...(await compare(spec, content, signal)), asked };
  }

  async function compareAnew(
    spec: ImageSpec,
    known: KnownContent,
    signal: AbortSignal,
  ): Promise<KnownContent> {
    const sizes = new Map(known.missing.map(({ digest, unpackedBytes }) => [digest, unpackedBytes]));
    const layers = withUnpackedBytes(known.content.layers, sizes);
    const fresh = await compare(spec, { ...known.content, layers }, signal);
    const ampleBytes = known.ampleBytes === 0 ? 0 : fresh.ampleBytes;
    return { ...known, ...fresh, content: known.content, ampleBytes };
  }

  async function size(
    { reference }: ImageSpec,
    access: RegistryAccess,
    known: KnownContent,
    signal: AbortSignal,
  ): Promise<KnownContent> {
    const found = await transports.fetchUnpackedSizes({
      reference,
      access,
      layers: known.missing.filter(({ unpackedBytes }) => unpackedBytes === undefined),
      signal: AbortSignal.any([signal, AbortSignal.timeout(SIZING_MS)]),
    });
    const missing = withUnpackedBytes(known.missing, found);
    return { ...known, missing, ampleBytes: 0, ...toDiskNeed(missing, toStorage()) };
  }

  return {
    toPlatform,
    toStorage,
    compare,
    async find(spec, access, before, signal) {
      if (before === undefined) return ask(spec, access, signal);
      if (!isComparedLongAgo(before, clock.nowMs())) return size(spec, access, before, signal);
      // Of a tag that may have moved since: other properties are desired, or it was demanded.
      const isCurrent = before.asked?.generation === book.generation;
      return isCurrent ? compareAnew(spec, before, signal) : ask(spec, access, signal);
    },
  };
}
