import type { DiskNeed } from '#core/disk-need';
import type { ImageIndex } from '#core/presence';
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
  /** As the manifest has it. */
  readonly mediaType: string;
  /** Of the unpacked layer, as the image configuration has it. */
  readonly diffId: string;
  /** Of the archive that it is unpacked to; absent where nobody has said it. */
  readonly unpackedBytes?: number;
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

/** Layers with what was found out of their unpacked sizes, by digest. */
export function withUnpackedBytes(
  layers: readonly ImageLayer[],
  found: ReadonlyMap<string, number | undefined>,
): readonly ImageLayer[] {
  return layers.map((layer) => {
    const unpackedBytes = layer.unpackedBytes ?? found.get(layer.digest);
    return unpackedBytes === undefined ? layer : { ...layer, unpackedBytes };
  });
}

/** What is known of a desired image before its first byte. */
export interface KnownContent extends DiskNeed {
  /** Of the record that it was asked for. */
  readonly key: string;
  readonly content: ImageContent;
  /** When the registry was asked, by the steady clock, and for which desired properties; absent where a pull itself asked. */
  readonly asked?: { readonly atMs: number; readonly generation: number };
  /** When it was compared with what the engine has, milliseconds since 1970, and with which listing. */
  readonly compared: { readonly atMs: number; readonly listing: ImageIndex | undefined };
  /** The layers that the engine did not have then, from the bottom up. */
  readonly missing: readonly ImageLayer[];
  /**
   * With as much to spare they fit, whatever their unpacked sizes are, and nobody need ask for those. 0 where all that
   * can be known is.
   */
  readonly ampleBytes: number;
}

/** An image that waits for room is compared with the engine again after so long, and the disk is looked at. */
export const RECOMPARE_AFTER_MS = 30_000;

/** Whether what an image lacks may be other than it was found to be; so too where the clock was set meanwhile. */
export const isComparedLongAgo = ({ compared }: KnownContent, nowMs: number): boolean =>
  Math.abs(nowMs - compared.atMs) >= RECOMPARE_AFTER_MS;

/** Whoever fetches a tag may take for so long what it was asked for as what it holds. */
const FRESH_MS = 10_000;

/** What an image holds, where its registry was asked for it a moment ago, and nothing else was desired since. */
export function toFreshContent(
  known: KnownContent | undefined,
  key: string,
  now: { readonly steadyMs: number; readonly generation: number },
): ImageContent | undefined {
  if (known?.key !== key || known.asked?.generation !== now.generation) return undefined;
  return now.steadyMs - known.asked.atMs < FRESH_MS ? known.content : undefined;
}
