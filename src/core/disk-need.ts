import type { ImageLayer } from '#core/image-content';
import { sumBytes, toUnpackedShare } from '#core/progress';
import type { PullProgress } from '#core/progress';
import { guessUnpackedBytes } from '#core/unpacked-size';

/** What an engine's disk must have for layers. */
export interface DiskNeed {
  readonly diskBytes: number;
  /** Whether the unpacked size of any is a guess. */
  readonly isDiskGuessed: boolean;
}

/** How an engine and the relay keep what is fetched. */
export interface Storage {
  readonly store: 'classic' | 'containerd';
  /** Whether the relay keeps the bytes on the same disk until the engine has the image. */
  readonly isKept: boolean;
}

/** Layers from the bottom up, each once. */
type Layers = readonly ImageLayer[];

/**
 * What the engine's disk must have for the layers of an image while they are pulled: unpacked, and compressed beside it
 * (all of them in the containerd store, those that are not unpacked yet in the classic one), and once more where the
 * relay keeps them.
 */
export const toDiskNeed = (layers: Layers, storage: Storage): DiskNeed => toListNeed([layers], storage, 1);

/**
 * As {@link toDiskNeed}, of several images: what they share counts once, and what lies beside is of those alone that are
 * pulled at once.
 *
 * @param concurrency - as many as are pulled at once
 */
export function toListNeed(images: readonly Layers[], storage: Storage, concurrency: number): DiskNeed {
  const union = [...new Map(images.flat().map((layer) => [layer.digest, layer])).values()];
  const downloadBytes = toDownloadBytes(union);
  const largest = (values: readonly number[]): number =>
    Math.min(sumOf(values.toSorted((a, b) => b - a).slice(0, concurrency)), downloadBytes);
  const besideBytes = storage.store === 'containerd' ? downloadBytes : largest(images.map(toClassicBeside));
  const keptBytes = storage.isKept ? largest(images.map(toDownloadBytes)) : 0;
  return {
    diskBytes: toUnpackedBytes(union) + besideBytes + keptBytes,
    isDiskGuessed: union.some(({ unpackedBytes }) => unpackedBytes === undefined),
  };
}

/** What of layers lies on the disk already, where the relay keeps it: the disk need not have it once more. */
export function toKeptBytes(layers: Layers, kept: ReadonlyMap<string, number>): number {
  if (kept.size === 0) return 0;
  return sumOf(layers.map(({ digest, sizeBytes }) => Math.min(kept.get(digest) ?? 0, sizeBytes)));
}

/**
 * What a pull will still take on the disk: the downloads that have not come, and what is not unpacked. Where nobody asked
 * what the image holds, it is guessed from the layers that the engine has told of.
 */
export function toRemainingNeed(
  known: { readonly diskBytes: number; readonly missing: Layers } | undefined,
  progress: PullProgress,
): number {
  const { totalBytes, downloadedBytes } = sumBytes([progress]);
  const unpackedBytes = known === undefined ? guessUnpackedBytes(totalBytes) : toUnpackedBytes(known.missing);
  const besideBytes = known === undefined ? totalBytes : Math.max(known.diskBytes - unpackedBytes, 0);
  if (totalBytes === 0) return unpackedBytes + besideBytes;
  const toCome = (totalBytes - downloadedBytes) / totalBytes;
  return Math.ceil(besideBytes * toCome + unpackedBytes * (1 - toUnpackedShare(progress)));
}

/** Programs, configuration and text seldom shrink further. */
const AMPLE_FACTOR = 10;
/** Zeros shrink to a thousandth: what is a small download may fill a disk that has less to spare. */
const AMPLE_LEAST_BYTES = 1_000_000_000;

/** With as much to spare layers fit, whatever their unpacked sizes are; 0 where those are known. */
export function toAmpleBytes(layers: Layers, storage: Storage): number {
  if (layers.every(({ unpackedBytes }) => unpackedBytes !== undefined)) return 0;
  const large = layers.map((layer) => ({ unpackedBytes: AMPLE_FACTOR * layer.sizeBytes, ...layer }));
  return Math.max(toDiskNeed(large, storage).diskBytes, AMPLE_LEAST_BYTES);
}

/**
 * What compressed layers add at the worst moment. The classic store unpacks one after the other and deletes each
 * download then; on a good link all have come before the first is unpacked.
 */
function toClassicBeside(layers: Layers): number {
  let nowBytes = toDownloadBytes(layers);
  let peakBytes = nowBytes;
  for (const layer of layers) {
    nowBytes += toUnpackedBytes([layer]);
    peakBytes = Math.max(peakBytes, nowBytes);
    nowBytes -= layer.sizeBytes;
  }
  return Math.max(peakBytes - toUnpackedBytes(layers), 0);
}

const toDownloadBytes = (layers: Layers): number => sumOf(layers.map(({ sizeBytes }) => sizeBytes));

const toUnpackedBytes = (layers: Layers): number =>
  sumOf(layers.map(({ sizeBytes, unpackedBytes }) => unpackedBytes ?? guessUnpackedBytes(sizeBytes)));

const sumOf = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
