import { toAccess } from '#agent/actions';
import type { Book } from '#agent/book';
import type { Measures } from '#agent/measures';
import type { Observer } from '#agent/observe';
import type { Clock, Engine } from '#agent/ports';
import type { PullTable } from '#agent/pulls';
import type { Relay } from '#agent/relay-port';
import type { DesiredImage } from '#core/desired-state';
import { toDiskBytes } from '#core/image-content';
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

export interface ImagePlan {
  readonly images: ReadonlyMap<string, PlannedImage>;
  /** Of all images together: what they share counts once. */
  readonly downloadBytes: number;
  readonly diskBytes: number;
  /** Absent where it cannot be known. */
  readonly freeBytes?: number;
  /** Whether `minFreeDiskMB` stays free, after the pulls that are under way. */
  readonly fits: boolean;
}

export type PlannedImage =
  | (Pick<KnownContent, 'content' | 'missing' | 'diskBytes'> & { readonly kind: 'known' })
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

export interface ImagePlanDeps {
  readonly book: Book;
  readonly engine: Pick<Engine, 'fetchFreeBytes'>;
  readonly observer: Pick<Observer, 'info'>;
  readonly pulls: PullTable;
  /** Absent: nobody here can ask a registry what an image holds. */
  readonly relay: Relay | undefined;
  readonly measures: Measures;
  readonly clock: Clock;
}

/** For a whole call: it is answered in under 25 s. */
const CALL_MS = 20_000;
const MAX_CONCURRENT_QUESTIONS = 8;

/** Makes the plans; nothing is asked before the first call. */
export function createImagePlans(deps: ImagePlanDeps): ImagePlans {
  const { book, engine, observer, pulls, relay, measures, clock } = deps;

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

  return {
    async plan(wanted) {
      const pass = createTurnstile(MAX_CONCURRENT_QUESTIONS);
      const over = new AbortController();
      const ended = new AbortController();
      const late = new AgentError('TimedOut', `No answer in time: plan fewer images at once.`);
      void clock.sleep(CALL_MS, ended.signal).then(() => over.abort(late));
      try {
        const found = await Promise.all(
          [...wanted].map(async ([name, image]) => {
            const planned = await pass(() => look(image, over.signal));
            return [name, planned] as const;
          }),
        );
        const images = new Map(found);
        const layers = toUnion(images.values());
        const storage = {
          store: observer.info?.store ?? 'classic',
          isKept: relay?.isKeeping ?? false,
        } as const;
        const diskBytes = toDiskBytes(layers, storage);
        const freeBytes = await engine.fetchFreeBytes(over.signal);
        const { desired } = book;
        const running = { pulls: pulls.running };
        const spareBytes = desired === undefined ? Infinity : toSpareBytes({ freeBytes, running, desired });
        return {
          images,
          downloadBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
          diskBytes,
          ...(freeBytes === undefined ? {} : { freeBytes }),
          fits: diskBytes <= spareBytes,
        };
      } finally {
        ended.abort();
      }
    },
  };
}

/** The layers that any of the images misses, each once. */
function toUnion(images: Iterable<PlannedImage>): readonly ImageLayer[] {
  const union = new Map<string, ImageLayer>();
  for (const image of images) {
    if (image.kind === 'failed') continue;
    for (const layer of image.missing) union.set(layer.digest, layer);
  }
  return [...union.values()];
}
