import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import {
  beginPull,
  expectPulled,
  FETCHED_AT_MOST,
  IS_LONG,
  LAYER_BYTES,
  LAYERS,
  LONG_WAIT,
  toSeeds,
  toShare,
  useRelayStage,
} from './relay-stage.ts';
import { makeImage } from './scene.ts';

vi.setConfig({ testTimeout: 3 * LONG_WAIT.timeout });

/** What the registry counts as sent when it begins to write it, and no more: a connection may be closed at that moment. */
const PIECE_BYTES = 65_536;

const onStage = useRelayStage();

test('pausing, CancelPulls and SIGTERM lose no byte of an image', async () => {
  const stage = onStage();
  const pushed = await beginPull(stage, 'paused');
  // It begins anew each time, and reports that once a second.
  const at = async (part: number): Promise<void> => {
    await stage.waitForPhases({ app: 'Pulling' });
    await stage.waitForFetched(part * pushed.sizeBytes);
  };
  stage.registry.faults.totalBytesPerSecond = pushed.sizeBytes / 8;

  await at(0.2);
  stage.edge.patchDesired({ settings: { paused: true } });
  await stage.waitForPhases({ app: 'Waiting Paused' });
  stage.edge.patchDesired({ settings: { paused: null } });

  await at(0.4);
  const cancelled = await stage.call('CancelPulls', { images: ['app'] });
  expect(cancelled).toMatchObject({ status: 200, payload: { cancelled: ['app'] } });
  await stage.waitForPhases({ app: 'Failed Cancelled' });
  await stage.call('PullImages', { images: ['app'] });

  await at(0.6);
  expect(await stage.module?.stop()).toMatchObject({ code: 0 });
  stage.startModule();

  await expectPulled(stage, 'paused', pushed);
  const atMost = FETCHED_AT_MOST + (3 * PIECE_BYTES) / pushed.sizeBytes;
  expect(toShare(stage, 'paused, cancelled, SIGTERM', pushed)).toBeLessThanOrEqual(atMost);
});

test.each<['CancelPulls' | 'the desired properties']>([['CancelPulls'], ['the desired properties']])(
  'a layer that two images share is fetched once, and %s taking one of them away costs the other nothing',
  async (way) => {
    const stage = onStage();
    const own = way.startsWith('Cancel') ? 'cancelled' : 'unlisted';
    const one = await stage.pushLayers(`acme/${own}-one:1`, [`${own}-base`, `${own}-one`]);
    const two = await stage.pushLayers(`acme/${own}-two:1`, [`${own}-base`, `${own}-two`]);
    const unionBytes = one.sizeBytes + two.sizeBytes / 2;
    const [base = ''] = one.layers;
    stage.registry.faults.totalBytesPerSecond = LAYER_BYTES / 2;
    const images = { one: `acme/${own}-one:1`, two: `acme/${own}-two:1` };
    stage.desire(images, { transport: 'relay' });
    stage.startModule();
    await stage.waitForFetched(LAYER_BYTES / 2);
    expect(stage.image('one')).toMatchObject({ phase: 'Pulling' });

    if (way === 'CancelPulls') await stage.call('CancelPulls', { images: ['one'] });
    else stage.desire({ two: images.two }, { transport: 'relay' });
    stage.registry.faults.totalBytesPerSecond = LAYER_BYTES;
    const isHere = (): boolean => stage.image('two')['phase'] === 'Pulled';
    await stage.edge.waitForReported(isHere, LONG_WAIT.timeout);
    expect(stage.image('two')).toMatchObject({ digest: two.digest });
    const ofBase = stage.requests('layers').filter(({ path }) => path.endsWith(base));
    expect(ofBase.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(
      (FETCHED_AT_MOST * one.sizeBytes) / 2 + PIECE_BYTES,
    );

    // What is cancelled is still wanted, and has lost nothing; of what is not wanted nothing is kept.
    if (way !== 'CancelPulls') return;
    await stage.call('PullImages', { images: ['one'] });
    await stage.waitForReady(LONG_WAIT.timeout);
    expect(
      toShare(stage, `two share a layer, ${way}`, { ...one, sizeBytes: unionBytes }),
    ).toBeLessThanOrEqual(FETCHED_AT_MOST);
  },
);

test('an image whose tag is moved in mid-pull comes whole, and the new one after it', async () => {
  const stage = onStage();
  const first = await beginPull(stage, 'moved', { refreshIntervalSeconds: 1 });
  await stage.waitForFetched(first.sizeBytes / 3);
  const second = await stage.pushLayers('acme/moved:1', [...toSeeds('moved', 2), 'moved-new']);
  const digests = new Set<unknown>();
  await stage.edge.waitForReported(() => {
    const { digest, phase } = stage.image('app');
    if (phase === 'Pulled') digests.add(digest);
    return phase === 'Pulled' && digest === second.digest;
  }, LONG_WAIT.timeout);
  expect([first.digest, second.digest]).toEqual(expect.arrayContaining([...digests]));
  const reference = `${stage.registry.address}/acme/moved`;
  const image = await stage.engine.inspect(`${reference}:1`);
  expect(image?.digests).toContain(`${reference}@${second.digest}`);
  expect((await stage.engine.images()).flatMap(({ references }) => references)).toEqual([`${reference}:1`]);
});

/** `undefined`: as it is where nobody sets it. */
test.each(IS_LONG ? ['relay', undefined] : [undefined])(
  'a registry that hangs while it holds all places of the engine holds no other registry’s images up (transport %s)',
  async (transport) => {
    const stage = onStage();
    const name = `hung-${transport ?? 'default'}`;
    const hung = await stage.startOpenRegistry();
    await hung.push(await makeImage(toSeeds(name), LAYER_BYTES), 'hung', '1');
    const settings = transport === undefined ? {} : { transport };
    const registries = { plant: stage.plant, hung: { address: hung.address } };
    hung.faults.totalBytesPerSecond = LAYER_BYTES;
    stage.desire({ hung: `${hung.address}/hung:1` }, settings, registries);
    stage.startModule();
    await expect.poll(() => hung.bytesServed(/blobs/), LONG_WAIT).toBeGreaterThan(LAYER_BYTES / 2);
    hung.faults.hang = true;

    const startMs = performance.now();
    const other = await stage.pushLayers(`acme/${name}:1`, [`${name}-other`], 100_000);
    stage.desire(
      { hung: `${hung.address}/hung:1`, other: { image: `acme/${name}:1`, registry: 'plant' } },
      settings,
      registries,
    );
    const isHere = (): boolean => stage.image('other')['phase'] === 'Pulled';
    await stage.edge.waitForReported(isHere, LONG_WAIT.timeout);
    if (IS_LONG)
      console.log(`FIGURE other image after ${Math.round(performance.now() - startMs)} ms, hung registry`);
    expect(stage.image('other')).toMatchObject({ digest: other.digest });
    Object.assign(hung.faults, { hang: false, totalBytesPerSecond: undefined });
    await stage.waitForReady(LONG_WAIT.timeout);
    expect(hung.bytesServed(/blobs/)).toBeLessThanOrEqual(FETCHED_AT_MOST * LAYERS * (LAYER_BYTES + 3000));
  },
);

test('nothing is kept of an image that is here, though another one is never found', async () => {
  const stage = onStage();
  await stage.pushLayers('acme/kept:1', toSeeds('kept', 2));
  stage.desire({ app: 'acme/kept:1', lost: 'acme/never:1' }, { transport: 'relay' });
  stage.startModule();
  await stage.waitForPhases({ app: 'Pulled', lost: 'Failed NotFound' }, LONG_WAIT.timeout);
  await expect.poll(() => readdir(join(stage.storageDir, 'relay')), LONG_WAIT).toEqual([]);
});
