import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findNews, NOTHING_TOLD, shiftTold, toHeard, withoutReady } from '#core/news';
import type { News, NewsImage, NewsRegistry, NewsScene, Told } from '#core/news';
import type { FailureReason } from '#core/reason';

const CAMERA = 'plant:5000/camera:1';
const LISTED = { id: 'a', tags: [], digests: [], sizeBytes: 1 };
const failed = (reason: FailureReason, isOwnFailure = true): NewsImage => ({
  image: CAMERA,
  standing: { phase: 'Failed', reason, message: 'why' },
  isOwnFailure,
});
const pulling: NewsImage = { image: CAMERA, standing: { phase: 'Pulling' }, isOwnFailure: false };
const pulled: NewsImage = { ...pulling, standing: { phase: 'Pulled', image: LISTED } };
const accepted: NewsRegistry = { address: 'plant:5000', kind: 'accepted' };
const refused = (reason: FailureReason = 'Unauthorized'): NewsRegistry => ({
  address: 'plant:5000',
  kind: 'failed',
  reason,
  message: 'why',
});
const ready = { digest: 'sha256:a', version: 1, durationMs: 5, bytes: 7 };

const toScene = (scene: {
  camera?: NewsImage;
  plant?: NewsRegistry;
  ready?: NewsScene['ready'];
  nowMs?: number;
}): NewsScene => ({
  nowMs: scene.nowMs ?? 0,
  images: new Map(scene.camera === undefined ? [] : [['camera', scene.camera]]),
  registries: new Map(scene.plant === undefined ? [] : [['plant', scene.plant]]),
  ...(scene.ready === undefined ? {} : { ready: scene.ready }),
});

const toText = (news: News): string =>
  [news.event, 'reason' in news ? news.reason : undefined].filter((part) => part !== undefined).join(' ');

/** What is told of one scene after another. */
function tellAll(...scenes: readonly NewsScene[]): string[] {
  let told: Told = NOTHING_TOLD;
  return scenes.flatMap((scene) => {
    const found = findNews(told, scene);
    ({ told } = found);
    return found.news.map(toText);
  });
}

describe('of an image', () => {
  const tell = (...cameras: (NewsImage | undefined)[]): string[] =>
    tellAll(...cameras.map((camera) => toScene(camera === undefined ? {} : { camera })));

  it.each<[string, (NewsImage | undefined)[], string[]]>([
    ['the first failure is told', [failed('NotFound')], ['ImagePullFailed NotFound']],
    ['no retry is told', [failed('NotFound'), pulling, failed('NotFound')], ['ImagePullFailed NotFound']],
    [
      'another reason is told, and the first one again after it',
      [failed('NotFound'), failed('DiskFull'), failed('NotFound')],
      ['ImagePullFailed NotFound', 'ImagePullFailed DiskFull', 'ImagePullFailed NotFound'],
    ],
    [
      'a failure after it was there is a first one',
      [failed('NotFound'), pulled, failed('NotFound')],
      ['ImagePullFailed NotFound', 'ImagePullFailed NotFound'],
    ],
    ['a failure that is its registry’s is not told', [failed('Unauthorized', false)], []],
    [
      'a failure of its own is not told again after one of its registry’s',
      [failed('NotFound'), failed('Unauthorized', false), failed('NotFound')],
      ['ImagePullFailed NotFound'],
    ],
    [
      'what is desired anew begins anew',
      [failed('NotFound'), undefined, failed('NotFound')],
      ['ImagePullFailed NotFound', 'ImagePullFailed NotFound'],
    ],
    [
      'another image under the same name begins anew',
      [failed('NotFound'), { ...failed('NotFound'), image: 'plant:5000/camera:2' }],
      ['ImagePullFailed NotFound', 'ImagePullFailed NotFound'],
    ],
    ['that it is there is not told here', [pulling, pulled], []],
  ])('%s', (_, cameras, expected) => {
    expect(tell(...cameras)).toEqual(expected);
  });
});

describe('of a registry', () => {
  it('the first failure, each other reason and the end are told, with how long it took', () => {
    let told: Told = NOTHING_TOLD;
    const news: News[] = [];
    const plants = [accepted, refused(), refused(), refused('RegistryError'), accepted, accepted];
    for (const [index, plant] of plants.entries()) {
      const found = findNews(told, toScene({ plant, nowMs: index * 1000 }));
      ({ told } = found);
      news.push(...found.news);
    }
    expect(news).toEqual([
      {
        event: 'RegistryLoginFailed',
        name: 'plant',
        address: 'plant:5000',
        reason: 'Unauthorized',
        message: 'why',
      },
      {
        event: 'RegistryLoginFailed',
        name: 'plant',
        address: 'plant:5000',
        reason: 'RegistryError',
        message: 'why',
      },
      { event: 'RegistryLoginRestored', name: 'plant', address: 'plant:5000', durationMs: 3000 },
    ]);
  });

  it('nothing is told while its state is not known, as after a restart', () => {
    const plant: NewsRegistry = { address: 'plant:5000', kind: 'unknown' };
    expect(tellAll(toScene({ plant: refused() }), toScene({ plant }), toScene({ plant: refused() }))).toEqual(
      ['RegistryLoginFailed Unauthorized'],
    );
  });
});

describe('that all is ready', () => {
  it('is told once for a set of images and a version', () => {
    expect(tellAll(toScene({ ready }), toScene({}), toScene({ ready }))).toEqual(['Ready']);
    expect(tellAll(toScene({ ready }), toScene({ ready: { ...ready, version: 2 } }))).toEqual([
      'Ready',
      'Ready',
    ]);
    expect(tellAll(toScene({ ready }), toScene({ ready: { ...ready, digest: 'sha256:b' } }))).toHaveLength(2);
  });

  it('is told again after an eviction', () => {
    const { told } = findNews(NOTHING_TOLD, toScene({ ready }));
    expect(findNews(withoutReady(told), toScene({ ready })).news).toHaveLength(1);
  });
});

it('nothing is told twice of one and the same scene, whatever came before', () => {
  const reason = fc.constantFrom<FailureReason>('NotFound', 'DiskFull');
  const scene = fc
    .record(
      {
        camera: fc.oneof(
          fc.constantFrom(pulling, pulled),
          fc.tuple(reason, fc.boolean()).map((args) => failed(...args)),
        ),
        plant: fc.oneof(fc.constant(accepted), reason.map(refused)),
        ready: fc.constantFrom(ready, { ...ready, version: 2 }),
      },
      { requiredKeys: [] },
    )
    .map(toScene);
  fc.assert(
    fc.property(fc.array(scene, { minLength: 1 }), (scenes) => {
      let told: Told = NOTHING_TOLD;
      for (const one of scenes) ({ told } = findNews(told, one));
      const last = scenes.at(-1) ?? toScene({});
      expect(findNews(told, last)).toEqual({ told, news: [] });
    }),
  );
});

describe('what was heard', () => {
  const { told } = findNews(NOTHING_TOLD, toScene({ camera: failed('NotFound'), plant: refused(), ready }));

  it('is what was told, where nothing waits', () => {
    expect(toHeard(NOTHING_TOLD, told, new Set())).toEqual(told);
  });

  it('is what was heard before, of everything about which something waits', () => {
    expect(toHeard(NOTHING_TOLD, told, new Set(['image camera', 'registry plant', 'ready']))).toEqual(
      NOTHING_TOLD,
    );
    expect(toHeard(told, NOTHING_TOLD, new Set(['registry plant']))).toEqual({
      images: {},
      registries: told.registries,
    });
  });
});

it('what failed is moved with the clock, unless it is remembered of a time that this clock had not come to', () => {
  const toTold = (sinceMs: number): Told => ({
    images: {},
    registries: { plant: { address: 'plant:5000', reason: 'Unauthorized', sinceMs } },
  });
  expect(shiftTold(toTold(900), 5000, 6000)).toEqual(toTold(5900));
  expect(shiftTold(toTold(5500), 5000, 6000)).toEqual(toTold(5500));
  expect(shiftTold(toTold(5900), -5000, 1000)).toEqual(toTold(900));
});
