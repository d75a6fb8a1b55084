import type { ImageLayer } from '#core/image-content';

/**
 * Progress of one pull, folded from the engine's lines about layers.
 *
 * The classic image store names a layer's size only when its download begins, so percent weighs layers of unknown
 * size as the mean of the known ones, and is held where a size that becomes known would make it fall. Where the relay
 * has read the manifest, all sizes are known before.
 */

/** One line of the engine's answer to a pull that speaks of a layer. */
export type LayerEvent =
  | { readonly kind: 'present' }
  | { readonly kind: 'waiting' }
  /** Its size is known before its download begins. */
  | { readonly kind: 'sized'; readonly totalBytes: number }
  | { readonly kind: 'downloading'; readonly currentBytes: number; readonly totalBytes?: number }
  | { readonly kind: 'downloaded' }
  | { readonly kind: 'extracting'; readonly current: number; readonly total?: number }
  | { readonly kind: 'pulled' }
  /** The engine tries the layer's download again by itself. */
  | { readonly kind: 'retrying' };

type Stage = 'waiting' | 'downloading' | 'downloaded' | 'extracting' | 'pulled' | 'present';

const STAGE_ORDER: readonly Stage[] = [
  'waiting',
  'downloading',
  'downloaded',
  'extracting',
  'pulled',
  'present',
];

interface LayerProgress {
  readonly stage: Stage;
  /** As the engine last said; a download that starts over falls back. */
  readonly currentBytes: number;
  /** The most that was ever seen. */
  readonly downloadedBytes: number;
  readonly totalBytes?: number;
  /** The connection that brought it broke, and the engine has not asked again yet. */
  readonly isRetrying: boolean;
  /** Units of the engine's choice: bytes, or seconds where it knows no total. */
  readonly extracted: number;
  readonly extractedFraction: number;
}

export interface PullProgress {
  readonly layers: ReadonlyMap<string, LayerProgress>;
  /** 0…99; never falls. 100 is said only of an image that was seen in the engine. */
  readonly percent: number;
  /** Counts the lines in which something moved on; a stall is when it does not grow. */
  readonly advances: number;
}

/** A pull of which the engine has said nothing yet. */
export const NO_PROGRESS: PullProgress = { layers: new Map(), percent: 0, advances: 0 };

const NEW_LAYER: LayerProgress = {
  stage: 'waiting',
  currentBytes: 0,
  downloadedBytes: 0,
  isRetrying: false,
  extracted: 0,
  extractedFraction: 0,
};

/** Extraction reads from disk what download brought over the link: it is given a fifth of a layer's weight. */
const DOWNLOAD_SHARE = 0.8;

/** The progress after one more line about a layer. */
export function foldLayer(progress: PullProgress, layerId: string, event: LayerEvent): PullProgress {
  const before = progress.layers.get(layerId);
  const after = toLayer(before ?? NEW_LAYER, event);
  const layers = new Map(progress.layers).set(layerId, after);
  return {
    layers,
    percent: Math.max(progress.percent, toPercent([...layers.values()])),
    advances: progress.advances + (before === undefined || isAdvance(before, after) ? 1 : 0),
  };
}

/** The progress of a pull of which nothing but its layers' sizes is known. */
export function toSized(layers: Iterable<Pick<ImageLayer, 'digest' | 'sizeBytes'>>): PullProgress {
  let progress = NO_PROGRESS;
  for (const { digest, sizeBytes: totalBytes } of layers) {
    progress = foldLayer(progress, toLayerId(digest), { kind: 'sized', totalBytes });
  }
  return progress;
}

/** What engines call a layer: the first twelve digits of its digest. */
const toLayerId = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 12);

/** Bytes of several pulls together; a layer that they share is counted once. */
export function sumBytes(pulls: Iterable<PullProgress>): { downloadedBytes: number; totalBytes: number } {
  const layers = new Map<string, { downloadedBytes: number; totalBytes: number }>();
  for (const pull of pulls) {
    for (const [id, { stage, downloadedBytes, totalBytes = 0 }] of pull.layers) {
      if (stage === 'present') continue;
      const known = layers.get(id) ?? { downloadedBytes: 0, totalBytes: 0 };
      layers.set(id, {
        downloadedBytes: Math.max(known.downloadedBytes, downloadedBytes),
        totalBytes: Math.max(known.totalBytes, totalBytes, downloadedBytes),
      });
    }
  }
  const sum = { downloadedBytes: 0, totalBytes: 0 };
  for (const layer of layers.values()) {
    sum.downloadedBytes += layer.downloadedBytes;
    sum.totalBytes += layer.totalBytes;
  }
  return sum;
}

/** How much of the layers that come is unpacked, by their downloads' sizes: 0…1. */
export function toUnpackedShare({ layers }: PullProgress): number {
  let allBytes = 0;
  let unpackedBytes = 0;
  for (const { stage, totalBytes = 0, extractedFraction } of layers.values()) {
    if (stage === 'present') continue;
    allBytes += totalBytes;
    if (stage === 'pulled' || stage === 'extracting') unpackedBytes += totalBytes * extractedFraction;
  }
  return allBytes === 0 ? 0 : unpackedBytes / allBytes;
}

/**
 * Whether a layer is being fetched, or may be at any moment. Not where all that an engine told of are there and it only
 * unpacks, nor while it waits to ask again for each that is left.
 */
export function isFetching({ layers }: PullProgress): boolean {
  let isAnyTold = false;
  for (const { stage, isRetrying } of layers.values()) {
    if ((stage === 'waiting' || stage === 'downloading') && !isRetrying) return true;
    // Those that it had already come first, one by one.
    isAnyTold ||= stage !== 'present';
  }
  return !isAnyTold;
}

function toLayer(before: LayerProgress, event: LayerEvent): LayerProgress {
  const isRetrying = event.kind === 'retrying' || (before.isRetrying && event.kind === 'sized');
  const layer = isRetrying === before.isRetrying ? before : { ...before, isRetrying };
  switch (event.kind) {
    case 'downloading': {
      const totalBytes = Math.max(event.totalBytes ?? 0, layer.totalBytes ?? 0, event.currentBytes);
      return {
        ...layer,
        stage: later(layer.stage, 'downloading'),
        currentBytes: event.currentBytes,
        downloadedBytes: Math.max(layer.downloadedBytes, event.currentBytes),
        ...(event.totalBytes === undefined && layer.totalBytes === undefined ? {} : { totalBytes }),
      };
    }
    case 'downloaded':
      return { ...downloadedWhole(layer), stage: later(layer.stage, 'downloaded') };
    case 'extracting': {
      const fraction = event.total ? Math.min(event.current / event.total, 1) : 0;
      return {
        ...downloadedWhole(layer),
        stage: later(layer.stage, 'extracting'),
        extracted: event.current,
        extractedFraction: Math.max(layer.extractedFraction, fraction),
      };
    }
    case 'pulled':
      return { ...downloadedWhole(layer), stage: later(layer.stage, 'pulled'), extractedFraction: 1 };
    case 'present':
      // It is said of one that came a moment ago too, where the same pull is asked over.
      return layer.downloadedBytes > 0
        ? toLayer(layer, { kind: 'pulled' })
        : { ...layer, stage: later(layer.stage, 'present') };
    case 'sized':
      return { ...layer, totalBytes: event.totalBytes };
    case 'waiting':
    case 'retrying':
      return layer;
  }
}

const later = (a: Stage, b: Stage): Stage => (STAGE_ORDER.indexOf(b) > STAGE_ORDER.indexOf(a) ? b : a);

const downloadedWhole = (layer: LayerProgress): LayerProgress =>
  layer.totalBytes === undefined ? layer : { ...layer, downloadedBytes: layer.totalBytes };

const isAdvance = (before: LayerProgress, after: LayerProgress): boolean =>
  after.stage !== before.stage ||
  after.currentBytes > before.currentBytes ||
  after.extracted > before.extracted;

function toPercent(layers: readonly LayerProgress[]): number {
  const toFetch = layers.filter(({ stage }) => stage !== 'present');
  const known = toFetch.flatMap(({ totalBytes }) => (totalBytes ? [totalBytes] : []));
  const mean = known.length === 0 ? 1 : known.reduce((a, b) => a + b, 0) / known.length;
  let weight = 0;
  let done = 0;
  for (const layer of toFetch) {
    const layerWeight = layer.totalBytes || mean;
    weight += layerWeight;
    done += layerWeight * toFraction(layer);
  }
  return weight === 0 ? 0 : Math.min(Math.floor((100 * done) / weight), 99);
}

function toFraction(layer: LayerProgress): number {
  switch (layer.stage) {
    case 'waiting':
      return 0;
    case 'downloading':
      return layer.totalBytes ? DOWNLOAD_SHARE * Math.min(layer.downloadedBytes / layer.totalBytes, 1) : 0;
    case 'downloaded':
      return DOWNLOAD_SHARE;
    case 'extracting':
      return DOWNLOAD_SHARE + (1 - DOWNLOAD_SHARE) * layer.extractedFraction;
    case 'pulled':
    case 'present':
      return 1;
  }
}
