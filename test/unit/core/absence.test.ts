import { describe, expect, it } from 'vitest';
import { findAbsence } from '#core/absence';
import { toImageIndex } from '#core/presence';
import type { ListedImage } from '#core/presence';
import { ADDRESS, digestOf } from '#test/unit/core/world';

const TAG = `${ADDRESS}/app:1`;
const A = digestOf('a');
const B = digestOf('b');
const PINNED = `${ADDRESS}/app@${A}`;
const CLOUD = 'contoso.azurecr.io/app';

const image = (id: string, ...names: string[]): ListedImage => ({
  id,
  sizeBytes: 1000,
  tags: names.filter((name) => !name.includes('@')),
  digests: names.filter((name) => name.includes('@')),
});

describe.each<[string, readonly ListedImage[], { gone?: string[]; unclear?: string[] }]>([
  ['is there under both names', [image(A, TAG, PINNED)], {}],
  ['is there without a name, its id being the digest', [image(A)], { gone: [TAG] }],
  [
    'is there under a name of another repository alone',
    [image(A, `${CLOUD}:1`, `${CLOUD}@${A}`)],
    { gone: [TAG] },
  ],
  ['is not listed while its tag is another one', [image(B, TAG)], { unclear: [PINNED] }],
  [
    'is not listed while its repository has another tag',
    [image(B, `${ADDRESS}/app:2`)],
    { gone: [TAG], unclear: [PINNED] },
  ],
  [
    'is not listed while its repository has a digest alone',
    [image(B, `${ADDRESS}/app@${B}`)],
    { gone: [TAG, PINNED] },
  ],
  [
    'is not listed, and of its repository nothing is',
    [image(B, `${ADDRESS}/apple:1`)],
    { gone: [TAG, PINNED] },
  ],
])('of an image that %s', (_, images, { gone = [], unclear = [] }) => {
  it(`${gone.length} of its names are gone and ${unclear.length} may come back`, () => {
    expect(findAbsence([TAG, PINNED], toImageIndex(images))).toEqual({ gone, unclear });
  });
});
