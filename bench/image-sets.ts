import type { LayerSpec } from '#lab/images/layer';

/** Layers of each image, by the image's name. */
export type ImageSet = Readonly<Record<string, readonly LayerSpec[]>>;

/** The images that contenders pull, by what they are called; a small machine with little time gets smaller ones. */
export function toImageSets(isQuick: boolean): Readonly<Record<string, ImageSet>> {
  const megabytes = isQuick ? 5 : 20;
  const twelve = { [`12 images × 3 layers × ${megabytes} MB`]: toTwelve(megabytes * 1_000_000) };
  if (isQuick) return twelve;
  return {
    '1 image of 1 layer of 60 MB': { single: [{ seed: 'single', sizeBytes: 60_000_000 }] },
    ...twelve,
    '40 small images': toMany(40),
  };
}

/** All share the lowest layer, three each the one above. */
export function toTwelve(sizeBytes: number): ImageSet {
  return Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => {
      const seeds = ['base', `family-${index % 4}`, `own-${index}`];
      return [`twelve-${String(index).padStart(2, '0')}`, seeds.map((seed) => ({ seed, sizeBytes }))];
    }),
  );
}

/** A shared layer of 1 MB and one of 100 kB that each has for itself. */
export function toMany(count: number, name = 'small'): ImageSet {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `${name}-${String(index).padStart(4, '0')}`,
      [
        { seed: 'small base', sizeBytes: 1_000_000 },
        { seed: `${name} ${index}`, sizeBytes: 100_000 },
      ],
    ]),
  );
}
