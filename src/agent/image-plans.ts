import { toAccess } from '#agent/book';
import type { Book } from '#agent/book';
import type { Measures } from '#agent/measures';
import type { Clock, Engine } from '#agent/ports';
import type { PullTable } from '#agent/pulls';
import type { Relay } from '#agent/relay-port';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { DesiredImage } from '#core/desired-state';
import { toDiskNeed, toKeptBytes, toListNeed } from '#core/disk-need';
import type { DiskNeed } from '#core/disk-need';
import { withUnpackedBytes } from '#core/image-content';
import type { ImageLayer, KnownContent } from '#core/image-content';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { createTurnstile } from '#core/turnstile';
import { toSpareBytes } from '#core/world';

/** What pulling a list of images would bring, and whether it fits. Nothing is changed. */
export interface ImagePlans {
  /** In about 20 s at most, whatever hangs. */
  plan(images: ReadonlyMap<string, DesiredImage>): Promise<ImagePlan>;
}

/** The sums are of all images together: what they share counts once. */
export interface ImagePlan extends DiskNeed {
  readonly images: ReadonlyMap<string, PlannedImage>;
  readonly downloadBytes: number;
  /** Absent where it cannot be known. */
  readonly freeBytes?: number;
  /** Whether `minFreeDiskMB` stays free, after the pulls that are under way. */
  readonly fits: boolean;
}

export type PlannedImage =
  | (Pick<KnownContent, 'content' | 'missing'> & DiskNeed & { readonly kind: 'known' })
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

export interface ImagePlanDeps {
  readonly book: Book;
  readonly engine: Pick<Engine, 'fetchFreeBytes'>;
  readonly pulls: PullTable;
  /** Absent: nobody here can ask a registry what an image holds. */
  readonly relay?: Relay;
  readonly measures: Measures;
  readonly clock: Clock;
}

/** For a whole call: it is answered in under 25 s. */
const CALL_MS = 20_000;
const MAX_CONCURRENT_QUESTIONS = 8;

/** Makes the plans; nothing is asked before the first call. */
export function createImagePlans(deps: ImagePlanDeps): ImagePlans {
  const { book, engine, pulls, relay, measures, clock } = deps;

  async function look(image: DesiredImage, signal: AbortSignal): Promise<PlannedImage> {
    if (image.kind === 'fault') return { kind: 'failed', reason: image.reason, message: image.message };
    const { spec } = image;
    try {
      signal.throwIfAborted();
      if (relay === undefined) throw new AgentError('Unknown', 'The module asks no registry itself.');
      const content = await relay.fetchContent({
        reference: spec.reference,
        access: toAccess(book, spec),
        platform: measures.toPlatform(),
        wanted: spec.platform,
        signal,
      });
      return { kind: 'known', ...(await measures.compare(spec, content, signal)) };
    } catch (error) {
      if (AgentError.of(error).reason === 'EngineUnavailable') throw error;
      const { reason, message } = AgentError.of(error);
      return { kind: 'failed', reason, message };
    }
  }

  /** How large the layers are unpacked, each asked once; what has not come when the signal aborts stays a guess. */
  async function size(
    images: ReadonlyMap<string, PlannedImage>,
    wanted: ReadonlyMap<string, DesiredImage>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, PlannedImage>> {
    const asked = new Set<string>();
    const found = await Promise.all(
      [...images].map(async ([name, planned]) => {
        const image = wanted.get(name);
        if (planned.kind === 'failed' || image?.kind !== 'image') return [];
        const layers = planned.missing.filter(
          ({ digest, unpackedBytes }) => unpackedBytes === undefined && !asked.has(digest),
        );
        for (const { digest } of layers) asked.add(digest);
        const { reference } = image.spec;
        const access = toAccess(book, image.spec);
        return [...((await relay?.fetchUnpackedSizes({ reference, access, layers, signal })) ?? [])];
      }),
    );
    const sizes = new Map(found.flat());
    return new Map([...images].map(([name, planned]) => [name, withSizes(planned, sizes)]));
  }

  function withSizes(planned: PlannedImage, sizes: ReadonlyMap<string, number>): PlannedImage {
    if (planned.kind === 'failed') return planned;
    const missing = withUnpackedBytes(planned.missing, sizes);
    return { ...planned, missing, ...withoutKept(toDiskNeed(missing, measures.toStorage()), missing) };
  }

  const withoutKept = (need: DiskNeed, layers: readonly ImageLayer[]): DiskNeed => ({
    ...need,
    diskBytes: need.diskBytes - toKeptBytes(layers, relay?.keptSizes() ?? new Map()),
  });

  return {
    async plan(wanted) {
      const pass = createTurnstile(MAX_CONCURRENT_QUESTIONS);
      const over = new AbortController();
      const ended = new AbortController();
      const late = new AgentError('TimedOut', `No answer in time: plan fewer images at once.`);
      void clock.sleep(CALL_MS, ended.signal).then(() => over.abort(late));
      try {
        const looks = [...wanted].map(async ([name, image]) => {
          const planned = await pass(() => look(image, over.signal));
          return [name, planned] as const;
        });
        const [freeBytes, ...found] = await Promise.all([engine.fetchFreeBytes(over.signal), ...looks]);
        const images = await size(new Map(found), wanted, over.signal);
        const { desired } = book;
        const { maxConcurrentPulls } = desired?.settings ?? DEFAULT_SETTINGS;
        const missing = [...images.values()].flatMap((image) =>
          image.kind === 'known' ? [image.missing] : [],
        );
        const layers = toUnion(missing.flat());
        const need = withoutKept(toListNeed(missing, measures.toStorage(), maxConcurrentPulls), layers);
        const running = { pulls: pulls.running };
        const spareBytes = desired === undefined ? Infinity : toSpareBytes({ freeBytes, running, desired });
        return {
          images,
          downloadBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
          ...need,
          ...(freeBytes === undefined ? {} : { freeBytes }),
          fits: need.diskBytes <= spareBytes,
        };
      } finally {
        ended.abort();
      }
    },
  };
}

/** Each layer once. */
const toUnion = (layers: readonly ImageLayer[]): readonly ImageLayer[] => [
  ...new Map(layers.map((layer) => [layer.digest, layer])).values(),
];
