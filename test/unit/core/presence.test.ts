import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImageSpec } from '#core/desired-state';
import type { ImageRecord } from '#core/image-record';
import type { Platform } from '#core/platform';
import { findImage, toImageIndex, toNames, withNames } from '#core/presence';
import type { ListedImage, Presence } from '#core/presence';
import { formatTagged } from '#core/reference';
import { ADDRESS, digestOf, listed, toReference, toSpec } from '#test/unit/core/world';

const A = digestOf('a');
const B = digestOf('b');
const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
const ARM64: Platform = { os: 'linux', architecture: 'arm64' };

interface Known {
  readonly record?: Pick<ImageRecord, 'servedDigest' | 'pulledAs'>;
  readonly platforms?: Readonly<Record<string, Platform>>;
}

function find(
  spec: ImageSpec,
  images: readonly ListedImage[],
  { record = {}, platforms = {} }: Known = {},
): Presence {
  const content = {
    platform: AMD64,
    index: toImageIndex(images),
    platforms: new Map(Object.entries(platforms)),
  };
  return findImage(spec, content, record);
}

const toDigest = (presence: Presence): string | undefined =>
  presence.kind === 'present' ? presence.digest : presence.kind;
const toMissing = (presence: Presence): readonly (string | undefined)[] =>
  presence.kind === 'present' ? presence.missingTags.map(formatTagged) : [presence.kind];

const byTag = toSpec('app');
const byDigest = toSpec('app', { reference: { registry: ADDRESS, repository: 'app', digest: A } });
const byBoth = toSpec('app', { reference: { ...toReference('app'), digest: A } });

describe('an image is present', () => {
  it('by its tag', () => {
    const image = listed(byTag);
    expect(find(byTag, [image])).toEqual({ kind: 'present', image, digest: A, missingTags: [] });
  });

  it('by its digest, whatever tags it has', () => {
    const image = { ...listed(byTag), tags: [] };
    expect(find(byDigest, [image])).toEqual({ kind: 'present', image, digest: A, missingTags: [] });
  });

  it('by its digest without the tag that goes with it, which is missing then', () => {
    const image = { ...listed(byTag), tags: [] };
    expect(toMissing(find(byBoth, [image]))).toEqual([`${ADDRESS}/app:1`]);
    expect(toMissing(find(byBoth, [listed(byTag)]))).toEqual([]);
  });

  it('for a platform that the engine runs beside its own', () => {
    const image = listed(byTag);
    const platforms = { [image.id]: { os: 'linux', architecture: '386' } };
    expect(find(byTag, [image], { platforms }).kind).toBe('present');
  });

  it('for the platform that is wanted, the engine’s own or not', () => {
    const spec = { ...byTag, platform: ARM64 };
    const image = listed(spec);
    expect(find(spec, [image], { platforms: { [image.id]: ARM64 } }).kind).toBe('present');
  });
});

describe('an image is absent', () => {
  it.each<[string, ImageSpec, ListedImage[], Known?]>([
    ['where the engine has none', byTag, []],
    ['under another tag', byTag, [listed(toSpec('app', { reference: toReference('app', '2') }))]],
    ['in another repository', byTag, [listed(toSpec('other'))]],
    ['from another registry', byTag, [{ ...listed(byTag), tags: ['other:8000/app:1'] }]],
    ['with another digest', byDigest, [listed(byTag, B)]],
    ['with the tag and another digest', byBoth, [listed(byTag, B)]],
    [
      'with the digest in another repository',
      byDigest,
      [{ ...listed(byTag), digests: [`${ADDRESS}/other@${A}`] }],
    ],
    ['for another platform than the engine’s', byTag, [listed(byTag)], { platforms: { [A]: ARM64 } }],
    [
      'for the engine’s platform where another is wanted',
      { ...byTag, platform: ARM64 },
      [listed(byTag)],
      { platforms: { [A]: AMD64 } },
    ],
  ])('%s', (_, spec, images, known = {}) => {
    expect(find(spec, images, known)).toEqual({ kind: 'absent' });
  });
});

describe('the digest of an image', () => {
  const several = { ...listed(byTag), digests: [`${ADDRESS}/app@${A}`, `${ADDRESS}/app@${B}`] };
  const none = { ...listed(byTag), digests: [] };

  it.each<[string, ListedImage, Known['record'], string | undefined]>([
    ['is the one that the registry serves, of several', several, { servedDigest: B }, B],
    ['is the first, where the registry serves another', several, { servedDigest: digestOf('c') }, A],
    ['is the first, where nobody asked the registry', several, {}, A],
    [
      'is what the pull brought, where nobody asked the registry since',
      several,
      { pulledAs: { id: A, digest: B, transport: 'engine' } },
      B,
    ],
    [
      'is what the pull brought, where the engine knows none',
      none,
      { pulledAs: { id: A, digest: B, transport: 'engine' } },
      B,
    ],
    [
      'is not what a pull brought for another image',
      none,
      { pulledAs: { id: B, digest: B, transport: 'engine' } },
      undefined,
    ],
    ['is unknown, where nothing is known', none, {}, undefined],
    [
      'is not that of another repository',
      { ...listed(byTag), digests: [`${ADDRESS}/other@${A}`] },
      {},
      undefined,
    ],
  ])('%s', (_, image, record, digest) => {
    expect(toDigest(find(byTag, [image], { record: record ?? {} }))).toBe(digest);
  });

  it('is the one that is wanted, where the reference has one', () => {
    expect(toDigest(find(byDigest, [several], { record: { servedDigest: B } }))).toBe(A);
  });
});

describe('the names of an image', () => {
  const [x, y] = [toReference('x', 'v1'), { registry: 'other:5000', repository: 'y', tag: 'v2' }];
  const spec = toSpec('app', { tagAs: [x, y] });

  it('are its reference, and those it is to be tagged as', () => {
    expect(toNames(spec)).toEqual([`${ADDRESS}/app:1`, `${ADDRESS}/x:v1`, 'other:5000/y:v2']);
    expect(toNames(byDigest)).toEqual([`${ADDRESS}/app@${A}`]);
    expect(toNames(byBoth)).toEqual([`${ADDRESS}/app@${A}`, `${ADDRESS}/app:1`]);
  });

  it('are missing where no image or another one carries them', () => {
    const image = listed(byTag);
    const thief = { ...listed(toSpec('thief'), B), tags: [`${ADDRESS}/x:v1`] };
    expect(toMissing(find(spec, [image]))).toEqual([`${ADDRESS}/x:v1`, 'other:5000/y:v2']);
    expect(toMissing(find(spec, [image, thief]))).toEqual([`${ADDRESS}/x:v1`, 'other:5000/y:v2']);
    expect(toMissing(find(spec, [listed(spec)]))).toEqual([]);
  });

  it('are missing as soon as another image took one, though the image is listed as it was', () => {
    const image = listed(spec);
    const thief = { ...listed(toSpec('thief'), B), tags: [`${ADDRESS}/x:v1`] };
    expect(toMissing(find(spec, [image]))).toEqual([]);
    expect(toMissing(find(spec, [image, thief]))).toEqual([`${ADDRESS}/x:v1`]);
  });

  it('of an image that carries all of them are never missing', () => {
    const anySpec = fc
      .record({ hasTag: fc.boolean(), hasDigest: fc.boolean(), tags: fc.uniqueArray(fc.nat(9)) })
      .filter(({ hasTag, hasDigest }) => hasTag || hasDigest)
      .map(({ hasTag, hasDigest, tags }) =>
        toSpec('app', {
          reference: {
            registry: ADDRESS,
            repository: 'app',
            ...(hasTag ? { tag: '1' } : {}),
            ...(hasDigest ? { digest: A } : {}),
          },
          tagAs: tags.map((tag) => toReference('also', `v${tag}`)),
        }),
      );
    fc.assert(
      fc.property(anySpec, (anyOne) => {
        const names = toNames(anyOne);
        const image: ListedImage = {
          id: A,
          tags: names.filter((name) => !name.includes('@')),
          digests: names.filter((name) => name.includes('@')),
          sizeBytes: 1,
        };
        expect(toMissing(find(anyOne, [image]))).toEqual([]);
      }),
    );
  });
});

describe('a listing to which a pull is added', () => {
  const old = listed(toSpec('app'), A);
  const fresh = listed(toSpec('app'), B);

  it('has the image under the names it was given, and what it had before under its own', () => {
    const index = withNames(toImageIndex([listed(toSpec('other'), A)]), [fresh]);
    expect(index.byName.get(`${ADDRESS}/app:1`)).toEqual(fresh);
    expect(index.byName.get(`${ADDRESS}/other:1`)?.id).toBe(A);
  });

  it('takes a tag that moved from the image that had it, which keeps its digest', () => {
    const index = withNames(toImageIndex([old]), [fresh]);
    expect(index.byName.get(`${ADDRESS}/app:1`)?.id).toBe(B);
    expect(index.byName.get(`${ADDRESS}/app@${A}`)?.id).toBe(A);
    const back = withNames(withNames(index, [old]), [{ ...fresh, tags: [`${ADDRESS}/app:2`] }]);
    expect(back.byName.get(`${ADDRESS}/app:1`)?.id).toBe(A);
    expect(back.byName.get(`${ADDRESS}/app:2`)?.tags).toEqual([`${ADDRESS}/app:2`]);
  });

  it('has one image under all names, those of before and those that came', () => {
    const index = withNames(toImageIndex([old]), [{ ...old, tags: [`${ADDRESS}/app:2`] }]);
    const both = [`${ADDRESS}/app:1`, `${ADDRESS}/app:2`];
    for (const tag of both) expect(index.byName.get(tag)?.tags).toEqual(both);
  });

  it('has an image by its name that had none', () => {
    const nameless = { ...old, tags: [], digests: [] };
    const index = withNames(toImageIndex([nameless]), [old]);
    expect(index.nameless.size).toBe(0);
    expect(index.byName.get(`${ADDRESS}/app:1`)?.id).toBe(A);
  });

  it('says what the listing would say, whatever was there before', () => {
    const ids = ['a', 'b', 'c'].map(digestOf);
    const image = fc.record({ id: fc.constantFrom(...ids), tag: fc.constantFrom('1', '2', '3') });
    fc.assert(
      fc.property(fc.array(image), (pulls) => {
        const tags = new Map(pulls.map(({ id, tag }) => [`${ADDRESS}/app:${tag}`, id]));
        const named = pulls.map(({ id, tag }) => ({
          id,
          sizeBytes: 1,
          tags: [`${ADDRESS}/app:${tag}`],
          digests: [`${ADDRESS}/app@${id}`],
        }));
        const index = withNames(toImageIndex([]), named);
        for (const [name, id] of tags) expect(index.byName.get(name)?.id).toBe(id);
        expect(named.reduce((seen, image) => withNames(seen, [image]), toImageIndex([]))).toEqual(index);
      }),
    );
  });
});
