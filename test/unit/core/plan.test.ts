import { describe, expect, it } from 'vitest';
import type { PullWindow } from '#core/pull-window';
import type { ImageSpec } from '#core/desired-state';
import type { KnownContent } from '#core/image-content';
import { toImageKey } from '#core/image-record';
import { OPEN } from '#core/opening';
import { formatAction, plan } from '#core/plan';
import type { ListedImage } from '#core/presence';
import type { Route } from '#core/route';
import { ADDRESS, digestOf, IDLE, listed, NOW_MS, SETTLED, toSpec, toWorld } from './world.ts';
import type { Scene } from './world.ts';

const CAMERA = toSpec('acme/camera');
const GATE = toSpec('acme/gate');
const NIGHT: PullWindow = {
  startMinute: 22 * 60,
  endMinute: 5 * 60,
  timeZone: 'UTC',
  outsideBytesPerSecond: 0,
};
const MINUTE_MS = 60_000;
const ANSWERS = { askedMs: 500, fetchedMs: 100 };
const BYTES = { askedMs: 500, fetchedMs: 5000 };
const other = (spec: ReturnType<typeof toSpec>, registry: string): typeof spec => {
  const { registry: _registry, ...rest } = spec;
  return { ...rest, reference: { ...spec.reference, registry } };
};

interface Row extends Scene {
  readonly when: string;
  readonly actions: readonly string[];
  /** `phase reason` by name. */
  readonly standings?: Readonly<Record<string, string>>;
  readonly wakeInMs?: number;
  readonly isReady?: boolean;
}

const ROWS: readonly Row[] = [
  {
    when: 'an image is absent: it is pulled',
    specs: { camera: CAMERA },
    actions: ['pull camera'],
    standings: { camera: 'Waiting Queued' },
  },
  {
    when: 'more is wanted than places are free: priority decides, then the name',
    specs: {
      a: toSpec('a'),
      b: toSpec('b', { priority: 5 }),
      c: toSpec('c'),
      d: toSpec('d', { priority: -1 }),
    },
    actions: ['pull b', 'pull a', 'pull c'],
  },
  {
    when: 'pulls in flight hold their places',
    specs: { a: toSpec('a'), b: toSpec('b'), c: toSpec('c') },
    settings: { maxConcurrentPulls: 2 },
    pulls: { a: {} },
    actions: ['pull b'],
    standings: { a: 'Pulling', b: 'Waiting Queued', c: 'Waiting Queued' },
  },
  {
    when: 'pulls for which nothing is fetched hold no place',
    specs: { a: toSpec('a'), b: toSpec('b'), c: toSpec('c'), d: toSpec('d') },
    settings: { maxConcurrentPulls: 2 },
    pulls: { a: { stage: 'unpacking' }, b: {} },
    actions: ['pull c'],
  },
  {
    when: 'for as many pulls as there are places nothing is fetched: no more begin than there are places beside them',
    specs: { a: toSpec('a'), b: toSpec('b'), c: toSpec('c'), d: toSpec('d') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'unpacking' }, b: { stage: 'unpacking' } },
    actions: [],
  },
  {
    when: 'a pull that only asks holds its place where bytes are what takes long',
    specs: { a: toSpec('a'), b: toSpec('b') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'asking' } },
    world: { times: new Map([[ADDRESS, [BYTES, ANSWERS, BYTES]]]) },
    actions: [],
  },
  {
    when: 'answers are what takes long: a pull that only asks holds no place',
    specs: { a: toSpec('a'), b: toSpec('b') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'asking' } },
    world: { times: new Map([[ADDRESS, [ANSWERS, BYTES, ANSWERS]]]) },
    actions: ['pull b'],
  },
  {
    when: 'another registry’s answers take long: here bytes do, and a pull that asks holds its place',
    specs: { a: toSpec('a'), b: toSpec('b') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'asking' } },
    world: { times: new Map([['other:5000', [ANSWERS, ANSWERS]]]) },
    actions: [],
  },
  {
    when: 'answers are what takes long: of the pulls in flight there are three times as many as places, and no more',
    specs: Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => [name, toSpec(name)])),
    settings: { maxConcurrentPulls: 2 },
    world: { times: new Map([[ADDRESS, [ANSWERS, ANSWERS]]]) },
    actions: ['pull a', 'pull b', 'pull c', 'pull d', 'pull e', 'pull f'],
  },
  {
    when: 'a pull that only waits for its name holds no place',
    specs: { a: toSpec('a'), b: toSpec('b') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'naming' } },
    actions: ['pull b'],
  },
  {
    when: 'one unpacks, one waits for its name, and one fetches for the one place: nothing begins',
    specs: { a: toSpec('a'), b: toSpec('b'), c: toSpec('c'), d: toSpec('d') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { stage: 'unpacking' }, b: { stage: 'naming' }, c: {} },
    actions: [],
  },
  {
    when: 'two entries name one reference: the second waits for the first',
    specs: { a: CAMERA, b: CAMERA },
    actions: ['pull a'],
  },
  {
    when: 'an entry is at fault: the others are pulled all the same',
    specs: { camera: CAMERA },
    faults: { bad: 'images.bad.image: must be text' },
    actions: ['pull camera'],
    standings: { bad: 'Failed InvalidImage', camera: 'Waiting Queued' },
  },
  {
    when: 'the credentials were never tried: login first, and nothing is pulled until then',
    specs: { camera: CAMERA },
    login: { kind: 'unknown' },
    actions: ['login plant'],
    standings: { camera: 'Waiting Queued' },
  },
  {
    when: 'the login failed: its images fail for its reason and wait for its retry, once for all',
    specs: { camera: CAMERA, gate: GATE },
    login: {
      kind: 'failed',
      reason: 'Unauthorized',
      message: 'no',
      checkedAtMs: NOW_MS,
      retryAtMs: NOW_MS + MINUTE_MS,
    },
    actions: [],
    standings: { camera: 'Failed Unauthorized', gate: 'Failed Unauthorized' },
    wakeInMs: MINUTE_MS,
  },
  {
    when: 'the login failed but the image is present: it stays pulled',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    login: {
      kind: 'failed',
      reason: 'RegistryUnreachable',
      message: 'no',
      checkedAtMs: 0,
      retryAtMs: NOW_MS + 1,
    },
    actions: [],
    standings: { camera: 'Pulled' },
    wakeInMs: 1,
    isReady: true,
  },
  {
    when: 'a pull made the registry suspect: login before anything else is blamed',
    specs: { camera: CAMERA },
    registry: { isSuspect: true },
    records: {
      camera: { attempts: 1, failure: { reason: 'Unauthorized', message: 'no', retryAtMs: NOW_MS + 9 } },
    },
    actions: ['login plant'],
    standings: { camera: 'Waiting Queued' },
  },
  {
    when: 'the image is in a registry that no entry lists: pulled without a login',
    specs: { camera: other(CAMERA, '10.0.0.9:5000') },
    login: { kind: 'unknown' },
    actions: ['login plant', 'pull camera'],
  },
  {
    when: 'a present tag was not compared since desired changed: the registry is asked, and it is not ready yet',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, checkedGeneration: 0 } },
    actions: ['check camera'],
    standings: { camera: 'Pulled' },
    isReady: false,
  },
  {
    when: 'a present tag was compared: nothing to do until the refresh',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, nextCheckAtMs: NOW_MS + 5000 } },
    actions: [],
    standings: { camera: 'Pulled' },
    wakeInMs: 5000,
    isReady: true,
  },
  {
    when: 'the refresh is due: the registry is asked, and it stays ready',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, nextCheckAtMs: NOW_MS } },
    actions: ['check camera'],
    isReady: true,
  },
  {
    when: 'refreshIntervalSeconds is 0: a present tag is never asked for again',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    settings: { refreshIntervalSeconds: 0 },
    records: { camera: { ...SETTLED, nextCheckAtMs: NOW_MS } },
    actions: [],
    isReady: true,
  },
  {
    when: 'refreshIntervalSeconds is 0, and the registry could not be asked: it is asked again all the same',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    settings: { refreshIntervalSeconds: 0 },
    records: { camera: { ...SETTLED, checkFailures: 1, nextCheckAtMs: NOW_MS } },
    actions: ['check camera'],
  },
  {
    when: 'a tag is to be compared, and the registry was not logged in to yet: that comes first',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    login: { kind: 'unknown' },
    actions: ['login plant'],
    standings: { camera: 'Pulled' },
    isReady: false,
  },
  {
    when: 'pullPolicy is if-not-present and another image than was pulled has its name now: that is left there',
    specs: { camera: toSpec('acme/camera', { pullPolicy: 'if-not-present' }) },
    records: { camera: SETTLED },
    listed: [listed(CAMERA, digestOf('b'))],
    actions: [],
    standings: { camera: 'Pulled' },
    isReady: true,
  },
  {
    when: 'pullPolicy is if-not-present and the image is there: the registry is not asked',
    specs: { camera: toSpec('acme/camera', { pullPolicy: 'if-not-present' }) },
    listed: [listed(CAMERA)],
    actions: [],
    standings: { camera: 'Pulled' },
    isReady: true,
  },
  {
    when: 'a digest is pinned and there: the registry is not asked',
    specs: {
      camera: toSpec('acme/camera', {
        reference: { registry: '127.0.0.1:8000', repository: 'acme/camera', digest: digestOf('b') },
      }),
    },
    listed: [
      { id: digestOf('1'), tags: [], digests: [`127.0.0.1:8000/acme/camera@${digestOf('b')}`], sizeBytes: 1 },
    ],
    actions: [],
    isReady: true,
  },
  {
    when: 'a tag and a digest are wanted and the tag stands elsewhere: it is tagged, not pulled',
    specs: { camera: toSpec('acme/camera', { reference: { ...CAMERA.reference, digest: digestOf('b') } }) },
    listed: [
      { id: digestOf('1'), tags: [], digests: [`127.0.0.1:8000/acme/camera@${digestOf('b')}`], sizeBytes: 1 },
    ],
    actions: ['tag camera as 127.0.0.1:8000/acme/camera:1'],
    standings: { camera: 'Waiting Queued' },
    isReady: false,
  },
  {
    when: 'the tag moved at the registry: it is pulled again',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, servedDigest: digestOf('b') } },
    actions: ['pull camera'],
    isReady: false,
  },
  {
    when: 'pullRequest asks for a present image: it is pulled',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, isRequested: true } },
    actions: ['pull camera'],
  },
  {
    when: 'PullImages forces a present image: it is pulled',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, demand: { force: true } } },
    actions: ['pull camera'],
  },
  {
    when: 'PullImages asks for a present image: its tag is compared at once',
    specs: { camera: CAMERA },
    listed: [listed(CAMERA)],
    records: { camera: { ...SETTLED, demand: { force: false } } },
    actions: ['check camera'],
  },
  {
    when: 'a tagAs is missing: the image is tagged before it counts as pulled',
    specs: {
      camera: toSpec('acme/camera', {
        tagAs: [{ registry: 'contoso.azurecr.io', repository: 'acme/camera', tag: '1' }],
      }),
    },
    listed: [listed(CAMERA)],
    records: { camera: SETTLED },
    actions: ['tag camera as contoso.azurecr.io/acme/camera:1'],
    isReady: false,
  },
  {
    when: 'an attempt failed and its retry is not due: it waits as failed',
    specs: { camera: CAMERA },
    records: {
      camera: { attempts: 1, failure: { reason: 'RateLimited', message: 'no', retryAtMs: NOW_MS + 7000 } },
    },
    actions: [],
    standings: { camera: 'Failed RateLimited' },
    wakeInMs: 7000,
  },
  {
    when: 'a retry is due: it is pulled, and stays failed until it has a place',
    specs: { a: toSpec('a'), b: toSpec('b') },
    settings: { maxConcurrentPulls: 1 },
    records: { b: { attempts: 1, failure: { reason: 'RateLimited', message: 'no', retryAtMs: NOW_MS } } },
    pulls: { a: {} },
    actions: [],
    standings: { a: 'Pulling', b: 'Failed RateLimited' },
  },
  {
    when: 'the image was not found: its manifest is looked for, without a pull',
    specs: { camera: CAMERA },
    records: { camera: { attempts: 1, failure: { reason: 'NotFound', message: 'no', retryAtMs: NOW_MS } } },
    actions: ['check camera'],
    standings: { camera: 'Failed NotFound' },
  },
  {
    when: 'the registry refused the password for the image, and accepts it again: it is looked for, without a pull',
    specs: { camera: CAMERA },
    records: {
      camera: { attempts: 1, failure: { reason: 'Unauthorized', message: 'no', retryAtMs: NOW_MS } },
    },
    actions: ['check camera'],
    standings: { camera: 'Failed Unauthorized' },
  },
  {
    when: 'the image was not found, and the window is closed: its manifest is looked for all the same',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT },
    records: { camera: { attempts: 1, failure: { reason: 'NotFound', message: 'no', retryAtMs: NOW_MS } } },
    actions: ['check camera'],
    standings: { camera: 'Failed NotFound' },
  },
  {
    when: 'the image was cancelled: nothing starts',
    specs: { camera: CAMERA },
    records: { camera: { failure: { reason: 'Cancelled', message: 'no' } } },
    actions: [],
    standings: { camera: 'Failed Cancelled' },
  },
  {
    when: 'a cancelled image is being pulled: the pull is ended',
    specs: { camera: CAMERA },
    records: { camera: { failure: { reason: 'Cancelled', message: 'no' } } },
    pulls: { camera: {} },
    actions: ['cancel camera (Cancelled)'],
  },
  {
    when: 'a pull in flight is no longer desired: it is cancelled, and its place is filled when it has ended',
    specs: { gate: GATE },
    pulls: { camera: {} },
    actions: ['cancel camera (Unwanted)'],
  },
  {
    when: 'a pull in flight is for what the entry was before: it is cancelled',
    specs: { camera: CAMERA },
    pulls: { camera: { key: 'another image' } },
    actions: ['cancel camera (Unwanted)'],
  },
  {
    when: 'a cancelled pull has not ended: nothing else starts beside it',
    specs: { gate: GATE, camera: CAMERA },
    pulls: { camera: { isCancelling: true } },
    actions: [],
  },
  {
    when: 'settings.paused: running pulls are cancelled and none starts',
    specs: { camera: CAMERA, gate: GATE },
    settings: { paused: true },
    pulls: { camera: {} },
    actions: ['cancel camera (Paused)'],
    standings: { camera: 'Pulling', gate: 'Waiting Paused' },
  },
  {
    when: 'the window is closed: nothing starts until it opens',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT },
    actions: [],
    standings: { camera: 'Waiting OutsideWindow' },
    wakeInMs: 10 * 60 * MINUTE_MS,
  },
  {
    when: 'the window is closed and a pull runs: it goes on',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT, stallTimeoutSeconds: 60, pullTimeoutSeconds: 3600 },
    pulls: { camera: {} },
    actions: [],
    wakeInMs: MINUTE_MS,
  },
  {
    when: 'the window is closed and PullImages asks: it is pulled',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT },
    records: { camera: { demand: { force: false } } },
    actions: ['pull camera'],
  },
  {
    when: 'the window is closed and pullRequest changed: it waits for the window',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT },
    records: { camera: { isRequested: true } },
    actions: [],
    standings: { camera: 'Waiting OutsideWindow' },
  },
  {
    when: 'the window is closed and a retry is due: it is failed until the window opens',
    specs: { camera: CAMERA },
    settings: { pullWindow: NIGHT },
    records: {
      camera: { attempts: 1, failure: { reason: 'Corrupt', message: 'no', retryAtMs: NOW_MS - 1 } },
    },
    actions: [],
    standings: { camera: 'Failed Corrupt' },
    wakeInMs: 10 * 60 * MINUTE_MS,
  },
  {
    when: 'the disk has less free than minFreeDiskMB: nothing starts',
    specs: { camera: CAMERA },
    world: { freeBytes: 499_000_000 },
    actions: [],
    standings: { camera: 'Waiting LowDisk' },
    wakeInMs: 30_000,
  },
  {
    when: 'what runs will fill the disk: nothing more starts',
    specs: { camera: CAMERA, gate: GATE },
    world: { freeBytes: 900_000_000 },
    pulls: { camera: { diskBytes: 600_000_000 } },
    actions: [],
    standings: { camera: 'Pulling', gate: 'Waiting LowDisk' },
    wakeInMs: 30_000,
  },
  {
    when: 'one pull stalls: every pull in flight is ended, to free the engine',
    specs: { camera: CAMERA, gate: GATE },
    pulls: { camera: { advancedAtMs: NOW_MS - 600_000 }, gate: {} },
    actions: ['cancel camera (Stalled)', 'cancel gate (Requeued)'],
  },
  {
    when: 'a registry stalled: those of other registries come first',
    specs: { a: CAMERA, b: other(GATE, '10.0.0.9:5000') },
    world: { stalledAddresses: new Set(['127.0.0.1:8000']) },
    actions: ['pull b'],
  },
  {
    when: 'a registry stalled and nothing else is wanted: it gets one place',
    specs: { a: CAMERA, b: GATE },
    world: { stalledAddresses: new Set(['127.0.0.1:8000']) },
    actions: ['pull a'],
  },
  {
    when: 'a registry stalled and an image of another one is being pulled: it gets no place beside that',
    specs: { a: CAMERA, b: other(GATE, '10.0.0.9:5000') },
    pulls: { b: {} },
    world: { stalledAddresses: new Set(['127.0.0.1:8000']) },
    actions: [],
  },
  {
    when: 'one attempt outlasts pullTimeoutSeconds: it alone is ended',
    specs: { camera: CAMERA, gate: GATE },
    settings: { pullTimeoutSeconds: 60 },
    pulls: { camera: { startedAtMs: NOW_MS - MINUTE_MS }, gate: {} },
    actions: ['cancel camera (TimedOut)'],
  },
  {
    when: 'the engine is away: everything is failed for it, and nothing is asked of it',
    specs: { camera: CAMERA },
    login: { kind: 'unknown' },
    world: { engine: { kind: 'unavailable', message: 'no socket' } },
    actions: [],
    standings: { camera: 'Failed EngineUnavailable' },
  },
  {
    when: 'an evicted image is to be spread: it waits for its time',
    specs: { camera: CAMERA },
    records: { camera: { evictions: 1, notBeforeMs: NOW_MS + 3000 } },
    actions: [],
    standings: { camera: 'Waiting Queued' },
    wakeInMs: 3000,
  },
  {
    when: 'only four manifests are asked for at once',
    specs: Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, toSpec(name)])),
    listed: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => listed(toSpec(name), digestOf('a'), name)),
    actions: ['check a', 'check b', 'check c', 'check d'],
  },
  {
    when: 'three manifests are being asked for: only one more is',
    specs: Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, toSpec(name)])),
    listed: ['a', 'b', 'c', 'd', 'e'].map((name) => listed(toSpec(name), digestOf('a'), name)),
    world: { running: { ...IDLE, checks: new Set(['a', 'b', 'c']) } },
    actions: ['check d'],
  },
  {
    when: 'nobody was asked yet for these desired properties: each registry is asked for one image',
    specs: { a: CAMERA, b: GATE, c: other(GATE, '10.0.0.9:5000'), d: other(CAMERA, '10.0.0.9:5000') },
    world: { openings: new Map() },
    actions: ['pull a', 'pull c'],
    wakeInMs: 600_000,
  },
  {
    when: 'the first image of a registry is not answered for: the others wait a few seconds',
    specs: { a: CAMERA, b: GATE, c: other(GATE, '10.0.0.9:5000') },
    pulls: { a: {}, c: {} },
    world: {
      openings: new Map([
        [ADDRESS, NOW_MS + 4000],
        ['10.0.0.9:5000', OPEN],
      ]),
    },
    actions: [],
    standings: { a: 'Pulling', b: 'Waiting Queued', c: 'Pulling' },
    wakeInMs: 4000,
  },
  {
    when: 'the first image of a registry is not answered for in time: the others begin',
    specs: { a: CAMERA, b: GATE, c: toSpec('c') },
    pulls: { a: {} },
    world: { openings: new Map([[ADDRESS, NOW_MS]]) },
    actions: ['pull b', 'pull c'],
  },
  {
    when: 'nobody was asked yet for these desired properties: one tag is compared',
    specs: { a: toSpec('a'), b: toSpec('b') },
    listed: ['a', 'b'].map((name) => listed(toSpec(name), digestOf('a'), name)),
    world: { openings: new Map() },
    actions: ['check a'],
  },
];

/** Rows about images that come, or may come, through the relay. */
const ROUTE: Route = { transport: 'relay', why: '', isPlainHttp: false };
const ON = { isRelayOn: true, routes: new Map([[ADDRESS, ROUTE]]) };

const LAYER = {
  digest: digestOf('d'),
  sizeBytes: 1_000_000,
  mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  diffId: digestOf('e'),
};

/** What is known of an image: a download of 1 MB that takes 4 MB on the disk. */
const known = (spec: ImageSpec, diskBytes = 4_000_000, ampleBytes = 0): KnownContent => ({
  key: toImageKey(spec),
  content: {
    digest: digestOf('a'),
    platforms: [],
    config: { digest: digestOf('c'), sizeBytes: 1 },
    layers: [LAYER],
  },
  compared: { atMs: NOW_MS, listing: undefined },
  missing: [LAYER],
  diskBytes,
  isDiskGuessed: ampleBytes > 0,
  ampleBytes,
});
const A = toSpec('a');
const B = toSpec('b', { priority: 1 });
const RELAY_NAME = `127.0.0.1:5010/${'0'.repeat(32)}@`;
const leftBy = (digest: string): ListedImage => ({
  id: digest,
  tags: [],
  digests: [`${RELAY_NAME}${digest}`],
  sizeBytes: 1,
});

const RELAY_ROWS: readonly Row[] = [
  {
    when: 'it is asked what images hold before the first is pulled, in the order in which they are',
    specs: { a: A, b: B },
    world: ON,
    actions: ['measure b', 'measure a'],
    standings: { a: 'Waiting Queued', b: 'Waiting Queued' },
  },
  {
    when: 'nobody was asked yet for these desired properties: it is asked what one image holds',
    specs: { a: A, b: B },
    world: { ...ON, openings: new Map() },
    actions: ['measure b'],
  },
  {
    when: 'images wait for room, and others were not asked about: these come first, and those once the engine was listed anew',
    specs: { a: A, b: B },
    world: {
      ...ON,
      freeBytes: 500_000_000,
      contents: new Map([['b', { ...known(B), compared: { atMs: NOW_MS - 30_000, listing: undefined } }]]),
    },
    actions: ['measure a', 'measure b'],
    standings: { a: 'Waiting Queued', b: 'Waiting LowDisk' },
  },
  {
    when: 'an image waits for room, and was compared with the engine a moment ago: it is left alone',
    specs: { b: B },
    world: { ...ON, freeBytes: 500_000_000, contents: new Map([['b', known(B)]]) },
    actions: [],
    standings: { b: 'Waiting LowDisk' },
  },
  {
    when: 'nobody has decided yet how images come: it is asked too',
    specs: { a: A },
    world: { isRelayOn: true },
    actions: ['measure a'],
  },
  {
    when: 'images come by the engine: nothing is asked before',
    specs: { a: A },
    world: { ...ON, routes: new Map([[ADDRESS, { ...ROUTE, transport: 'engine' }]]) },
    actions: ['pull a'],
  },
  {
    when: 'settings.transport is engine: nothing is asked before',
    specs: { a: A },
    settings: { transport: 'engine' },
    world: ON,
    actions: ['pull a'],
  },
  {
    when: 'a registry is being asked: the pull of another image waits two seconds for the right order',
    specs: { a: A, b: B },
    world: {
      ...ON,
      contents: new Map([['a', known(A)]]),
      running: { ...IDLE, measures: new Map([['b', { startedAtMs: NOW_MS - 500 }]]) },
    },
    actions: [],
    wakeInMs: 1500,
  },
  {
    when: 'a registry is being asked of an image that comes later: the one before it is pulled',
    specs: { a: A, b: B },
    world: {
      ...ON,
      contents: new Map([['b', known(B)]]),
      running: { ...IDLE, measures: new Map([['a', { startedAtMs: NOW_MS - 500 }]]) },
    },
    actions: ['pull b'],
  },
  {
    when: 'a registry takes its time to say what an image holds: others are pulled meanwhile',
    specs: { a: A, b: B },
    world: {
      ...ON,
      contents: new Map([['a', known(A)]]),
      running: { ...IDLE, measures: new Map([['b', { startedAtMs: NOW_MS - 2000 }]]) },
    },
    actions: ['pull a'],
  },
  {
    when: 'what is known is of another image that had the name: it is asked anew',
    specs: { a: A },
    world: { ...ON, contents: new Map([['a', known(B)]]) },
    actions: ['measure a'],
  },
  {
    when: 'an image does not fit: it waits, and a smaller one is pulled',
    specs: { a: A, b: B },
    world: {
      ...ON,
      freeBytes: 503_000_000,
      contents: new Map([
        ['a', known(A, 2_000_000)],
        ['b', known(B)],
      ]),
    },
    actions: ['pull a'],
    standings: { a: 'Waiting Queued', b: 'Waiting LowDisk' },
  },
  {
    when: 'two images fit alone and not together: one is pulled',
    specs: { a: A, b: B },
    world: {
      ...ON,
      freeBytes: 506_000_000,
      contents: new Map([
        ['a', known(A)],
        ['b', known(B)],
      ]),
    },
    actions: ['pull b'],
    standings: { a: 'Waiting Queued', b: 'Waiting Queued' },
  },
  {
    when: 'the disk has ample room: nobody asks how large layers are unpacked',
    specs: { a: A },
    world: { ...ON, freeBytes: 512_000_000, contents: new Map([['a', known(A, 4_000_000, 12_000_000)]]) },
    actions: ['pull a'],
  },
  {
    when: 'the disk is tight: it is asked how large layers are unpacked, though the guess fits',
    specs: { a: A },
    world: { ...ON, freeBytes: 511_999_999, contents: new Map([['a', known(A, 4_000_000, 12_000_000)]]) },
    actions: ['measure a'],
    standings: { a: 'Waiting Queued' },
  },
  {
    when: 'the disk is full by the guess: it is asked how large layers are unpacked before LowDisk is told',
    specs: { a: A },
    world: { ...ON, freeBytes: 503_000_000, contents: new Map([['a', known(A, 4_000_000, 12_000_000)]]) },
    actions: ['measure a'],
    standings: { a: 'Waiting Queued' },
  },
  {
    when: 'it is being asked how large layers are unpacked: the image waits for that',
    specs: { a: A },
    world: {
      ...ON,
      freeBytes: 511_000_000,
      contents: new Map([['a', known(A, 4_000_000, 12_000_000)]]),
      running: { ...IDLE, measures: new Map([['a', { startedAtMs: NOW_MS - 5000 }]]) },
    },
    actions: [],
  },
  {
    when: 'the disk is tight beside what is pulled first: it is asked how large the others are unpacked',
    specs: { a: A, b: B, c: toSpec('c') },
    world: {
      ...ON,
      freeBytes: 514_000_000,
      contents: new Map([
        ['a', known(A, 4_000_000, 12_000_000)],
        ['b', known(B, 4_000_000, 12_000_000)],
        ['c', known(toSpec('c'), 2_000_000)],
      ]),
    },
    actions: ['pull b', 'measure a', 'pull c'],
  },
  {
    when: 'most of an image is kept on the disk already: it goes on with what is left of that',
    specs: { a: A, b: B },
    settings: { maxConcurrentPulls: 1 },
    world: {
      ...ON,
      freeBytes: 503_200_000,
      contents: new Map([
        ['a', known(A)],
        ['b', known(B, 5_000_000)],
      ]),
      keptBytes: new Map([
        [digestOf('d'), 900_000],
        [digestOf('f'), 900_000_000],
      ]),
    },
    actions: ['pull a'],
    standings: { a: 'Waiting Queued', b: 'Waiting LowDisk' },
  },
  {
    when: 'a pull through the relay stalls: it ends alone',
    specs: { a: A, b: B },
    pulls: { a: { advancedAtMs: NOW_MS - 600_000, transport: 'relay' }, b: {} },
    world: ON,
    actions: ['cancel a (Stalled)'],
  },
  {
    when: 'a pull by the engine stalls: one through the relay goes on',
    specs: { a: A, b: B },
    pulls: { a: { advancedAtMs: NOW_MS - 600_000 }, b: { transport: 'relay' } },
    world: ON,
    actions: ['cancel a (Stalled)'],
  },
  {
    when: 'all places are taken by a registry that sends nothing: an image of another is pulled',
    specs: { a: A, b: B, far: other(A, 'far:5000'), near: toSpec('near') },
    settings: { maxConcurrentPulls: 2 },
    pulls: {
      a: { advancedAtMs: NOW_MS - 15_000, transport: 'relay' },
      b: { advancedAtMs: NOW_MS - 15_000, transport: 'relay' },
    },
    world: { ...ON, contents: new Map([['near', known(toSpec('near'))]]) },
    actions: ['measure far'],
  },
  {
    when: 'all places are taken by a registry that sends nothing, and it is known what another one holds',
    specs: { a: A, b: B, far: other(A, 'far:5000'), near: toSpec('near') },
    settings: { maxConcurrentPulls: 2 },
    pulls: {
      a: { advancedAtMs: NOW_MS - 15_000, transport: 'relay' },
      b: { advancedAtMs: NOW_MS - 15_000, transport: 'relay' },
    },
    world: {
      ...ON,
      contents: new Map([
        ['near', known(toSpec('near'))],
        ['far', known(other(A, 'far:5000'))],
      ]),
    },
    actions: ['pull far'],
  },
  {
    when: 'a registry sends nothing for a moment: it keeps its places, and it is looked at again',
    specs: { a: A, far: other(A, 'far:5000') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { advancedAtMs: NOW_MS - 14_000, transport: 'relay' } },
    world: { ...ON, contents: new Map([['far', known(other(A, 'far:5000'))]]) },
    actions: [],
    wakeInMs: 1000,
  },
  {
    when: 'a registry sends nothing to the engine itself: its places are the engine’s, and stay taken',
    specs: { a: A, far: other(A, 'far:5000') },
    settings: { maxConcurrentPulls: 1 },
    pulls: { a: { advancedAtMs: NOW_MS - 15_000 } },
    world: { ...ON, contents: new Map([['far', known(other(A, 'far:5000'))]]) },
    actions: [],
  },
  {
    when: 'the window is closed and throttles: images that come through the relay are pulled',
    specs: { a: A },
    settings: { pullWindow: { ...NIGHT, outsideBytesPerSecond: 1 } },
    world: { ...ON, contents: new Map([['a', known(A)]]) },
    actions: ['pull a'],
    wakeInMs: 600_000,
  },
  {
    when: 'the window is closed and stops: nothing is pulled, and nothing asked',
    specs: { a: A },
    settings: { pullWindow: NIGHT },
    world: ON,
    actions: [],
    standings: { a: 'Waiting OutsideWindow' },
  },
  {
    when: 'a pull that was killed left its name: it goes once nothing is to be pulled',
    specs: {},
    listed: [leftBy(digestOf('f'))],
    actions: [`remove ${RELAY_NAME}${digestOf('f')}`],
  },
  {
    when: 'a pull that was killed left the image under its name: it stays until that has its own',
    specs: { a: A },
    listed: [leftBy(digestOf('a'))],
    world: { ...ON, contents: new Map([['a', known(A)]]) },
    actions: ['pull a'],
  },
  {
    when: 'a pull that was killed left its name, and another image is never found: it goes all the same',
    specs: { a: A },
    records: { a: { failure: { reason: 'NotFound', message: 'no', retryAtMs: NOW_MS + 1000 } } },
    listed: [leftBy(digestOf('f'))],
    world: ON,
    actions: [`remove ${RELAY_NAME}${digestOf('f')}`],
    wakeInMs: 1000,
  },
  {
    when: 'a pull that was killed left its name, and all that is desired is here: it goes',
    specs: { a: A },
    records: { a: SETTLED },
    listed: [listed(A), leftBy(digestOf('f'))],
    world: ON,
    actions: [`remove ${RELAY_NAME}${digestOf('f')}`],
  },
  {
    when: 'a pull that was killed left its name, and it is not known yet what another image holds: it stays until then',
    specs: { a: A },
    listed: [leftBy(digestOf('a'))],
    world: ON,
    actions: ['measure a'],
  },
  {
    when: 'an image comes through the relay: its name there stays, whatever the image turned out to be',
    specs: { a: A },
    pulls: { a: { transport: 'relay' } },
    listed: [leftBy(digestOf('f'))],
    world: { ...ON, contents: new Map([['a', known(A)]]) },
    actions: [],
  },
  {
    when: 'a name that a killed pull left is being taken away: the next one waits',
    specs: {},
    listed: ['e', 'f'].map((digit) => leftBy(digestOf(digit))),
    world: { running: { ...IDLE, removals: new Set([`${RELAY_NAME}${digestOf('e')}`]) } },
    actions: [],
  },
  {
    when: 'a name that a killed pull left is not let go by the engine: the others go meanwhile',
    specs: {},
    listed: ['e', 'f'].map((digit) => leftBy(digestOf(digit))),
    world: { running: { ...IDLE, refusals: new Set([`${RELAY_NAME}${digestOf('e')}`]) } },
    actions: [`remove ${RELAY_NAME}${digestOf('f')}`],
  },
  {
    when: 'a name like those of the relay has another registry: it stays',
    specs: {},
    listed: [{ ...leftBy(digestOf('f')), digests: [`10.0.0.1:5010/${'0'.repeat(32)}@${digestOf('f')}`] }],
    actions: [],
  },
];

describe('plan', () => {
  it.each([...ROWS, ...RELAY_ROWS])('$when', ({ actions, standings, wakeInMs, isReady, ...scene }) => {
    const planned = plan(toWorld(scene));
    expect(planned.actions.map(formatAction)).toEqual(actions);
    if (standings !== undefined) {
      const shown = [...planned.standings].map(([name, standing]) => [
        name,
        'reason' in standing ? `${standing.phase} ${standing.reason}` : standing.phase,
      ]);
      expect(Object.fromEntries(shown)).toEqual(standings);
    }
    if (wakeInMs !== undefined) expect((planned.wakeAtMs ?? Infinity) - NOW_MS).toBe(wakeInMs);
    if (isReady !== undefined) expect(planned.isReady).toBe(isReady);
  });

  it.each([
    ['not at all, where nothing changed', {}, []],
    ['where the engine was listed anew', { listing: undefined }, ['measure a']],
    ['where other properties are desired, or it was demanded', { generation: 0 }, ['measure a']],
  ])('looks again at what an image lacks that waits for room: %s', (_, change, actions) => {
    const world = toWorld({ specs: { a: A }, world: { ...ON, freeBytes: 500_000_000 } });
    if (world.engine.kind === 'unavailable') throw new Error('the scene has an engine');
    const { listing, generation } = { listing: world.engine.index, generation: 1, ...change };
    const content: KnownContent = {
      ...known(A),
      asked: { atMs: 0, generation },
      compared: { atMs: NOW_MS - 30_000, listing },
    };
    const planned = plan({ ...world, contents: new Map([['a', content]]) });
    expect(planned.actions.map(formatAction)).toEqual(actions);
    expect(planned.standings.get('a')).toMatchObject({ reason: 'LowDisk' });
  });

  it('looks again at the latest when a pull that begins now would have stalled', () => {
    const planned = plan(toWorld({ specs: { camera: CAMERA }, settings: { stallTimeoutSeconds: 20 } }));
    expect(planned.actions.map(formatAction)).toEqual(['pull camera']);
    expect(planned.wakeAtMs).toBe(NOW_MS + 20_000);
  });
});

it('a plan is not ready while an image is left out for its name, though all others are here', () => {
  const world = toWorld({
    specs: { camera: CAMERA },
    records: { camera: SETTLED },
    listed: [listed(CAMERA)],
  });
  const misnamedImages = ['images."a b"'];
  expect(plan(world).isReady).toBe(true);
  expect(plan({ ...world, desired: { ...world.desired, misnamedImages } }).isReady).toBe(false);
});

describe('plan of removals, with unlisted: remove', () => {
  const LISTED = listed(CAMERA);
  const GONE = listed(GATE, digestOf('c'));
  const scene = {
    specs: { camera: CAMERA },
    records: { camera: SETTLED },
    settings: { unlisted: 'remove' },
    listed: [LISTED, GONE],
  } satisfies Scene;
  const OURS = new Map([...LISTED.tags, ...LISTED.digests, ...GONE.tags].map((name) => [name, 'any']));
  const toActions = (more: Scene, idsInUse: ReadonlySet<string> = new Set()): string[] => {
    const world = toWorld({ ...scene, ...more, world: { owned: OURS, ...more.world } });
    if (world.engine.kind === 'unavailable') throw new Error('the scene has an engine');
    return plan({ ...world, engine: { ...world.engine, idsInUse } }).actions.map(formatAction);
  };

  it('removes what this module pulled and nobody lists any more', () => {
    expect(toActions({})).toEqual(['remove 127.0.0.1:8000/acme/gate:1']);
  });
  it('takes one name away at a time, lest the engine keep an image without any', () => {
    const owned = new Map([...GONE.digests, ...GONE.tags].map((name) => [name, 'any']));
    const [digest = ''] = GONE.digests;
    expect(toActions({ world: { owned } })).toEqual([`remove ${digest}`]);
    const running = { ...IDLE, removals: new Set([digest]) };
    expect(toActions({ world: { owned, running } })).toEqual([]);
  });
  it('takes one name away at a time where a killed pull left another one of the same image', () => {
    const both = { ...GONE, digests: [...GONE.digests, ...leftBy(digestOf('c')).digests] };
    expect(toActions({ listed: [LISTED, both] })).toEqual(['remove 127.0.0.1:8000/acme/gate:1']);
  });
  it('leaves a name that the engine would not take away to a later time, and goes on with the others', () => {
    const owned = new Map([...GONE.digests, ...GONE.tags].map((name) => [name, 'any']));
    const running = { ...IDLE, refusals: new Set(GONE.digests) };
    expect(toActions({ world: { owned, running } })).toEqual(['remove 127.0.0.1:8000/acme/gate:1']);
  });
  it('removes nothing while an image is being tagged, for its new name may be among what is to go', () => {
    expect(toActions({ world: { running: { ...IDLE, tags: new Set(['gate']) } } })).toEqual([]);
  });
  it('keeps everything with unlisted: keep', () => {
    expect(toActions({ settings: { unlisted: 'keep' } })).toEqual([]);
  });
  it('removes what has no name left, where its id is the digest that this module pulled', () => {
    const [digest = ''] = GONE.digests;
    const world = { owned: new Map([[digest, 'gate']]) };
    const id = digest.slice(digest.indexOf('@') + 1);
    const nameless = { ...GONE, id, tags: [], digests: [] };
    expect(toActions({ listed: [LISTED, nameless], world })).toEqual([`remove ${digest}`]);
    expect(toActions({ listed: [LISTED, { ...nameless, id: digestOf('d') }], world })).toEqual([]);
    expect(toActions({ listed: [LISTED, nameless], world }, new Set([id]))).toEqual([]);
  });
  it('keeps the image that had the reference of a pull in flight, which may be in vain', () => {
    const toClaimed = (idBefore: string): Scene => ({
      world: { claimed: new Map([['127.0.0.1:8000/acme/camera:1', { name: 'camera', idBefore }]]) },
    });
    expect(toActions(toClaimed(GONE.id))).toEqual([]);
    expect(toActions(toClaimed(LISTED.id))).toHaveLength(1);
  });
  it('never removes an image that the module did not pull', () => {
    expect(toActions({ world: { owned: new Map() } })).toEqual([]);
  });
  it('never removes an image that a container uses', () => {
    expect(toActions({}, new Set([GONE.id]))).toEqual([]);
  });
  it('removes nothing while it is not known what containers use', () => {
    const world = toWorld({ ...scene, world: { owned: OURS } });
    expect(plan(world).actions).toEqual([]);
  });
  it('never removes an image that a listed entry shares under another name', () => {
    expect(toActions({ listed: [LISTED, { ...GONE, id: LISTED.id }] })).toEqual([]);
  });
  it('removes nothing while an entry is at fault, for it may stand for anything', () => {
    expect(toActions({ faults: { bad: 'images.bad: no' } })).toEqual([]);
    const { desired } = toWorld(scene);
    const misnamed = { ...desired, misnamedImages: ['images."a b"'] };
    expect(toActions({ world: { desired: misnamed } })).toEqual([]);
  });
});
