import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { toAmpleBytes, toDiskNeed, toKeptBytes, toListNeed, toRemainingNeed } from '#core/disk-need';
import { foldLayer, NO_PROGRESS } from '#core/progress';
import type { LayerEvent } from '#core/progress';
import type { ImageLayer } from '#core/image-content';

/** A layer of `download` bytes that is unpacked to `unpacked`, or nobody knows to what. */
const layer = (download: number, unpacked?: number, name = ''): ImageLayer => ({
  digest: `sha256:${name || `${download}-${unpacked}`}`,
  sizeBytes: download,
  mediaType: '',
  diffId: '',
  ...(unpacked === undefined ? {} : { unpackedBytes: unpacked }),
});
const GB = 1_000_000_000;
const CLASSIC = { store: 'classic', isKept: false } as const;
const CONTAINERD = { store: 'containerd', isKept: false } as const;
const bytesOf = ({ diskBytes }: { readonly diskBytes: number }): number => diskBytes;

describe('what the layers of an image take on the disk', () => {
  const layers = [layer(10, 40), layer(20, 70), layer(5, 30)];
  test.each([
    ['is them unpacked, and the download that is unpacked last, in the classic store', CLASSIC, 140 + 5],
    ['is them unpacked, and all downloads, in the containerd store', CONTAINERD, 140 + 35],
    ['is all downloads more where the relay keeps them', { ...CLASSIC, isKept: true }, 145 + 35],
    ['is so in the containerd store too', { ...CONTAINERD, isKept: true }, 175 + 35],
  ] as const)('%s', (_case, storage, diskBytes) => {
    expect(toDiskNeed(layers, storage)).toEqual({ diskBytes, isDiskGuessed: false });
  });

  it('is a guess as soon as it is one for a single layer', () => {
    const need = toDiskNeed([layer(10, 40), layer(20)], CONTAINERD);
    expect(need).toEqual({ diskBytes: 40 + 50 + 30, isDiskGuessed: true });
  });

  it('is nothing where nothing is missing', () => {
    expect(toDiskNeed([], CLASSIC)).toEqual({ diskBytes: 0, isDiskGuessed: false });
  });

  it('is what there is at the worst moment of unpacking one after the other', () => {
    const size = fc.integer({ min: 1, max: 1000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(size, size), { minLength: 1 }), (sizes) => {
        const layers = sizes.map(([download, unpacked], index) => layer(download, unpacked, `${index}`));
        let [here, peak] = [sizes.reduce((sum, [download]) => sum + download, 0), 0];
        for (const [download, unpacked] of sizes) {
          peak = Math.max(peak, here + unpacked);
          here += unpacked - download;
        }
        expect(bytesOf(toDiskNeed(layers, CLASSIC))).toBe(peak);
      }),
    );
  });
});

describe('what a list of images takes on the disk', () => {
  const base = layer(10, 40);
  const images = [
    [base, layer(20, 70)],
    [base, layer(6, 30)],
    [base, layer(4, 20)],
  ];

  test.each([
    ['one by one', CLASSIC, 1, 160 + 20],
    ['two at once', CLASSIC, 2, 160 + 20 + 6],
    ['in the containerd store', CONTAINERD, 1, 160 + 40],
    ['one by one with kept bytes', { ...CONTAINERD, isKept: true }, 1, 160 + 40 + 30],
    ['all at once with kept bytes', { ...CONTAINERD, isKept: true }, 3, 160 + 40 + 40],
  ] as const)('counts what they share once, and what lies beside as they are pulled: %s', (...row) => {
    const [, storage, concurrency, diskBytes] = row;
    expect(toListNeed(images, storage, concurrency)).toEqual({ diskBytes, isDiskGuessed: false });
  });

  it('is that of the image where it holds one', () => {
    for (const image of images) expect(toListNeed([image], CLASSIC, 3)).toEqual(toDiskNeed(image, CLASSIC));
  });
});

test('what the relay keeps of layers, and of no others, is on the disk already', () => {
  const [one, two] = [layer(10, 40), layer(20, 70)];
  const kept = new Map([
    [one.digest, 7],
    ['sha256:other', 100],
  ]);
  expect(toKeptBytes([one, two], kept)).toBe(7);
  expect(toKeptBytes([one, two], kept.set(two.digest, 30))).toBe(27);
  expect(toKeptBytes([one, two], new Map())).toBe(0);
});

describe('ample room', () => {
  it('is what layers would take that shrink to a tenth', () => {
    const layers = [layer(10 * GB), layer(20 * GB, 21 * GB)];
    expect(toAmpleBytes(layers, CONTAINERD)).toBe((100 + 21 + 30) * GB);
  });

  it('is a gigabyte at least: zeros shrink to a thousandth', () => {
    expect(toAmpleBytes([layer(1000)], CLASSIC)).toBe(GB);
  });

  it('is any where all sizes are known: nobody is asked', () => {
    expect(toAmpleBytes([layer(10, 10_000)], CLASSIC)).toBe(0);
    expect(toAmpleBytes([], CLASSIC)).toBe(0);
  });
});

describe('what a pull still takes on the disk', () => {
  const fold = (...events: readonly LayerEvent[]) =>
    events.reduce((progress, event) => foldLayer(progress, 'a', event), NO_PROGRESS);
  const sized: LayerEvent = { kind: 'sized', totalBytes: 100 };
  const half: LayerEvent = { kind: 'downloading', currentBytes: 50, totalBytes: 100 };
  const known = { diskBytes: 400, missing: [layer(100, 300)] };

  test.each([
    ['all of it before the first byte', fold(sized), 400],
    [
      'what is to be unpacked, and half of the download beside it, when half has come',
      fold(sized, half),
      350,
    ],
    ['what is to be unpacked when all has come', fold(sized, { kind: 'downloaded' }), 300],
    ['half of that when half is unpacked', fold(sized, { kind: 'extracting', current: 1, total: 2 }), 150],
    ['nothing at the end', fold(sized, { kind: 'pulled' }), 0],
  ])('is %s', (_case, progress, bytes) => {
    expect(toRemainingNeed(known, progress)).toBe(bytes);
  });

  it('is guessed from what the engine tells where nobody knows what the image holds', () => {
    expect(toRemainingNeed(undefined, NO_PROGRESS)).toBe(0);
    expect(toRemainingNeed(undefined, fold(half))).toBe(250 + 50);
  });
});
