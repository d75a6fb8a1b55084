import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { toLayerTree, toMissingLayers } from '#core/image-content';
import type { ImageContent } from '#core/image-content';

/** An image of layers that are named by one letter each, 10 bytes large. */
const contentOf = (letters: string): ImageContent => ({
  digest: 'sha256:index',
  platforms: [],
  config: { digest: 'sha256:config', sizeBytes: 1 },
  layers: letters
    .split('')
    .map((letter) => ({ digest: `sha256:${letter}`, sizeBytes: 10, mediaType: '', diffId: letter })),
});
const treeOf = (...images: string[]) => toLayerTree(images.map((letters) => letters.split('')));
const missing = (image: string, ...held: string[]): string =>
  toMissingLayers(contentOf(image), treeOf(...held))
    .map(({ diffId }) => diffId)
    .join('');

describe('layers that an engine does not have', () => {
  test.each([
    ['are all, where it has no image', 'abc', [], 'abc'],
    ['are none, where it has the image', 'abc', ['abc'], ''],
    ['are none, where it has one that goes on', 'ab', ['abc'], ''],
    ['are those above a shared base', 'abx', ['abc', 'ay'], 'x'],
    ['are all above the first that differs, though one is known from elsewhere', 'xbc', ['abc'], 'xbc'],
    ['are not put together out of two images', 'abd', ['ab', 'xd'], 'd'],
    ['are named once, where an image holds one twice', 'aba', [], 'ab'],
    ['are none of an empty image', '', ['abc'], ''],
  ])('%s', (_case, image, held, expected) => {
    expect(missing(image, ...held)).toBe(expected);
  });

  it('are what follows the longest beginning that any image shares', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(letters, fc.array(letters, { maxLength: 6 }), (image, held) => {
        const shared = image
          .split('')
          .findIndex((_letter, index) => !held.some((other) => other.startsWith(image.slice(0, index + 1))));
        const rest = shared < 0 ? '' : image.slice(shared);
        expect(missing(image, ...held)).toBe([...new Set(rest)].join(''));
      }),
    );
  });
});
