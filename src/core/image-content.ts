import type { Platform } from '#core/platform';

/** What an image holds for one platform, as its registry describes it before any layer is fetched. */
export interface ImageContent {
  /** What the registry serves under the reference: of an index, or of a manifest. */
  readonly digest: string;
  /** All that it holds. */
  readonly platforms: readonly Platform[];
  readonly config: { readonly digest: string; readonly sizeBytes: number };
  /** From the bottom up. */
  readonly layers: readonly ImageLayer[];
}

export interface ImageLayer {
  readonly digest: string;
  /** As it is fetched, compressed. */
  readonly sizeBytes: number;
  /** Of the unpacked layer, as the image configuration has it. */
  readonly diffId: string;
}

/** The layers of an engine's images, by what lies under each: a layer is shared only on top of the same ones. */
export type LayerTree = ReadonlyMap<string, number>;

/** Puts the layers of images into one tree, from the bottom up. */
export function toLayerTree(images: Iterable<readonly string[]>): LayerTree {
  const tree = new Map<string, number>();
  for (const diffIds of images) {
    let parent = 0;
    for (const diffId of diffIds) {
      const step = `${parent} ${diffId}`;
      const known = tree.get(step) ?? tree.size + 1;
      tree.set(step, known);
      parent = known;
    }
  }
  return tree;
}

/** The layers that an engine with these does not have; one that the image holds twice is named once. */
export function toMissingLayers({ layers }: ImageContent, tree: LayerTree): readonly ImageLayer[] {
  let parent: number | undefined = 0;
  const missing = new Map<string, ImageLayer>();
  for (const layer of layers) {
    parent = parent === undefined ? undefined : tree.get(`${parent} ${layer.diffId}`);
    if (parent === undefined) missing.set(layer.digest, layer);
  }
  return [...missing.values()];
}

/** What is known of a desired image before its first byte. */
export interface KnownContent {
  /** Of the record that it was asked for. */
  readonly key: string;
  readonly content: ImageContent;
  /** The layers that the engine did not have when it was asked. */
  readonly missing: readonly ImageLayer[];
  /** What the engine's disk must have for them. */
  readonly diskBytes: number;
}

/** How an engine and the relay keep what is fetched. */
export interface Storage {
  readonly store: 'classic' | 'containerd';
  /** Whether the relay keeps the bytes on the same disk until the engine has the image. */
  readonly isKept: boolean;
}

/** No manifest says how large a layer is unpacked: those of programs are between two and three times their download. */
const UNPACK_FACTOR = 2.5;
/** Downloads that the classic store has on disk at once. */
const CLASSIC_DOWNLOADS = 3;

/**
 * Bytes that the engine's disk must have for layers while they are pulled: unpacked, and compressed beside it (all of
 * them in the containerd store, those being downloaded in the classic one), and once more where the relay keeps them.
 */
export function toDiskBytes(layers: readonly ImageLayer[], { store, isKept }: Storage): number {
  const sizes = layers.map(({ sizeBytes }) => sizeBytes).toSorted((a, b) => b - a);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const beside = store === 'containerd' ? sum(sizes) : sum(sizes.slice(0, CLASSIC_DOWNLOADS));
  return Math.ceil(UNPACK_FACTOR * sum(sizes)) + beside + (isKept ? sum(sizes) : 0);
}
