import type { Book } from '#agent/book';
import type { Observer } from '#agent/observe';
import type { Clock } from '#agent/ports';
import type { RegistryAccess } from '#core/registry-access';
import type { Transports } from '#agent/transports';
import type { ImageSpec } from '#core/desired-state';
import { toAmpleBytes, toDiskNeed } from '#core/disk-need';
import type { Storage } from '#core/disk-need';
import { toMissingLayers, withUnpackedBytes } from '#core/image-content';
import type { ImageContent, KnownContent } from '#core/image-content';
import { toImageKey } from '#core/image-record';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';

/** Finds out what images hold, before and while they are pulled. Every failure is an `AgentError`. */
export interface Measures {
  /** The engine's own platform. Throws `EngineUnavailable` where it has not answered yet. */
  toPlatform(): Platform;
  /** Asks the registry; undefined where the image goes through the engine, and only that knows. */
  measure(spec: ImageSpec, access: RegistryAccess, signal: AbortSignal): Promise<KnownContent | undefined>;
  /** What of a content the engine has by now; nothing is asked of the registry. */
  compareAnew(spec: ImageSpec, known: KnownContent, signal: AbortSignal): Promise<KnownContent>;
  /** Asks how large missing layers are unpacked, for 10 s at most; what it finds nothing out about stays a guess. */
  size(
    spec: ImageSpec,
    access: RegistryAccess,
    known: KnownContent,
    signal: AbortSignal,
  ): Promise<KnownContent>;
  /** How what is fetched is kept on the engine's disk. */
  toStorage(): Storage;
  /** What of a content the engine has, and what the rest takes on its disk. */
  compare(spec: ImageSpec, content: ImageContent, signal: AbortSignal): Promise<KnownContent>;
}

export interface MeasureDeps {
  readonly transports: Pick<Transports, 'fetchContent' | 'fetchUnpackedSizes' | 'isKeeping'>;
  readonly observer: Pick<Observer, 'info' | 'fetchLayers'>;
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
    const comparedAtMs = clock.nowMs();
    return {
      key: toImageKey(spec),
      content,
      comparedAtMs,
      missing,
      ampleBytes,
      ...toDiskNeed(missing, storage),
    };
  }

  return {
    toPlatform,
    toStorage,
    compare,
    async compareAnew(spec, known, signal) {
      const sizes = new Map(known.missing.map(({ digest, unpackedBytes }) => [digest, unpackedBytes]));
      const layers = withUnpackedBytes(known.content.layers, sizes);
      const { missing, ampleBytes, ...need } = await compare(spec, { ...known.content, layers }, signal);
      const isSized = known.ampleBytes === 0;
      return { ...known, ...need, content: known.content, missing, ampleBytes: isSized ? 0 : ampleBytes };
    },
    async size({ reference }, access, known, signal) {
      const found = await transports.fetchUnpackedSizes({
        reference,
        access,
        layers: known.missing.filter(({ unpackedBytes }) => unpackedBytes === undefined),
        signal: AbortSignal.any([signal, AbortSignal.timeout(SIZING_MS)]),
      });
      const missing = withUnpackedBytes(known.missing, found);
      return { ...known, missing, ampleBytes: 0, ...toDiskNeed(missing, toStorage()) };
    },
    async measure(spec, access, signal) {
      const { reference, platform: wanted } = spec;
      const asked = { atMs: clock.steadyMs(), generation: book.generation };
      const content = await transports.fetchContent({
        reference,
        access,
        platform: toPlatform(),
        wanted,
        signal,
      });
      return content === undefined ? undefined : { ...(await compare(spec, content, signal)), asked };
    },
  };
}
