import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { hostileDocument, PLANT, stateOf } from './documents.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const ONE = { plant: PLANT };

describe('image entries side by side', () => {
  const kindsOf = (images: object) =>
    [...stateOf({ registryCredentials: ONE, images }).images.values()].map(
      ({ name, kind }) => `${name} ${kind}`,
    );

  it('come in name order', () => {
    expect(kindsOf({ b: 'b', a2: 'a', a10: 'c', B: 'd' })).toEqual([
      'B image',
      'a10 image',
      'a2 image',
      'b image',
    ]);
  });

  it.each([
    ['one image under two names', { a: 'x:1', b: '127.0.0.1:8000/x:1' }],
    [
      'one image with a shared further name',
      { a: { image: 'x:1', tagAs: ['y.io/x:1'] }, b: { image: 'x:1', tagAs: ['y.io/x:1'] } },
    ],
    ['one digest under two tags', { a: `x:1@${DIGEST}`, b: `x:2@${DIGEST}` }],
    ['an image that carries its own name once more', { a: { image: 'x:1', tagAs: ['127.0.0.1:8000/x:1'] } }],
  ])('agree on %s', (_, images) => {
    expect(kindsOf(images)).toEqual(Object.keys(images).map((name) => `${name} image`));
  });

  it.each([
    ['one reference on two platforms', { a: 'x:1', b: { image: 'x:1', platform: 'linux/arm64' } }],
    [
      'one digest on two platforms',
      { a: `x@${DIGEST}`, b: { image: `x:2@${DIGEST}`, platform: 'linux/arm64' } },
    ],
    ['a tag pinned and not pinned', { a: 'x:1', b: `x:1@${DIGEST}` }],
    [
      'a further name for two images',
      { a: { image: 'x:1', tagAs: ['y.io/x:1'] }, b: { image: 'x:2', tagAs: ['y.io/x:1'] } },
    ],
    [
      'a further name that is another’s own',
      { a: { image: 'x:1', tagAs: ['127.0.0.1:8000/x:2'] }, b: 'x:2' },
    ],
    ['another’s own name as a further one', { a: 'x:1', b: { image: 'x:2', tagAs: ['127.0.0.1:8000/x:1'] } }],
  ])('leave %s to the first by name', (_, images) => {
    expect(kindsOf(images)).toEqual(['a image', 'b fault']);
    const [fault, ...others] = stateOf({ registryCredentials: ONE, images }).faults;
    expect(fault?.message).toMatch(/is wanted by images\.a too/);
    expect(fault?.path).toMatch(/^images\.b/);
    expect(others).toEqual([]);
  });

  it('do not lose a name to an entry that is itself at fault', () => {
    expect(
      kindsOf({
        a: { image: 'x:1', priority: 1e9, tagAs: ['y.io/x:1'] },
        b: { image: 'x:2', tagAs: ['y.io/x:1'] },
      }),
    ).toEqual(['a fault', 'b image']);
  });

  it('are each read alike, whatever one that is at fault holds', () => {
    const images = { b: 'x:1', d: { image: 'y:2', tagAs: ['z.io/y:2'], priority: 3 }, f: 'UPPER' };
    fc.assert(
      fc.property(fc.constantFrom('a', 'c', 'e', 'g', 'a b'), hostileDocument.value, (name, value) => {
        const without = stateOf({ registryCredentials: ONE, images });
        const state = stateOf({ registryCredentials: ONE, images: { ...images, [name]: value } });
        if (state.images.get(name)?.kind === 'image') return;
        for (const other of Object.keys(images))
          expect(state.images.get(other)).toEqual(without.images.get(other));
      }),
    );
  });
});
