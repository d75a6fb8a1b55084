import { readdir, readFile, writeFile } from 'node:fs/promises';
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
  ON_ITS_WAY_BYTES,
  toShare,
  useRelayStage,
} from './relay-stage.ts';

/** SIGKILLs during one pull. */
const KILLS = IS_LONG ? 20 : 5;
const IMAGE_BYTES = LAYERS * LAYER_BYTES;
const EACH_TENTH = Array.from({ length: 9 }, (_, index) => ((index + 1) * IMAGE_BYTES) / 10);

vi.setConfig({ testTimeout: 3 * LONG_WAIT.timeout });

const onStage = useRelayStage();

test('no byte is fetched again where the link is cut at each tenth of an image', async () => {
  const stage = onStage();
  stage.registry.faults.cutBlobsAtBytes = EACH_TENTH;
  const pushed = await beginPull(stage, 'cut');
  await expectPulled(stage, 'cut', pushed);
  expect(stage.requests('layers').length).toBeGreaterThan(LAYERS + EACH_TENTH.length);
  expect(toShare(stage, 'link cut at every tenth', pushed)).toBeLessThanOrEqual(FETCHED_AT_MOST);
});

test('no byte is fetched again where the module is killed again and again', async () => {
  const stage = onStage();
  const pushed = await beginPull(stage, 'killed');
  for (let kills = 1; kills <= KILLS; kills += 1) {
    await stage.waitForFetched((kills * pushed.sizeBytes) / (KILLS + 1));
    await stage.module?.kill();
    stage.startModule();
  }
  await expectPulled(stage, 'killed', pushed);
  const atMost = FETCHED_AT_MOST + (KILLS * ON_ITS_WAY_BYTES) / pushed.sizeBytes;
  expect(toShare(stage, `module killed ${KILLS} times`, pushed)).toBeLessThanOrEqual(atMost);
});

test.each(IS_LONG ? ['the engine', 'engine and module'] : ['engine and module'])(
  'no byte is fetched again where there is an end of %s in mid-pull',
  async (what) => {
    const stage = onStage();
    const name = what.replaceAll(' ', '-');
    const pushed = await beginPull(stage, name);
    await stage.waitForFetched(pushed.sizeBytes / 2);
    const isBoth = what.endsWith('module');
    await Promise.all([isBoth ? stage.module?.kill() : undefined, stage.ownEngine.restart()]);
    if (isBoth) stage.startModule();
    await expectPulled(stage, name, pushed);
    const atMost = FETCHED_AT_MOST + ON_ITS_WAY_BYTES / pushed.sizeBytes;
    expect(toShare(stage, `an end of ${what}`, pushed)).toBeLessThanOrEqual(atMost);
  },
);

test('an image comes whole from a registry without Range whose link is cut', async () => {
  const stage = onStage();
  Object.assign(stage.registry.faults, {
    ignoreRange: true,
    cutBlobsAtBytes: [IMAGE_BYTES / 4, IMAGE_BYTES / 2],
  });
  const pushed = await beginPull(stage, 'whole');
  await expectPulled(stage, 'whole', pushed);
  // Such a registry sends the beginning again, and the engine is none the wiser.
  expect(toShare(stage, 'no Range, cut twice', pushed)).toBeGreaterThan(FETCHED_AT_MOST);
});

test('a corrupt byte in mid-layer never reaches an image, and costs that layer only', async () => {
  const stage = onStage();
  Object.assign(stage.registry.faults, { corruptAtByte: LAYER_BYTES / 2 });
  const { registry } = stage;
  const pushed = await stage.pushLayers('acme/corrupt:1', ['corrupt-0', 'corrupt-1', 'corrupt-2']);
  registry.faults.corruptBlob = pushed.layers[1] as `sha256:${string}`;
  stage.desire({ app: 'acme/corrupt:1' }, { transport: 'relay' });
  stage.startModule();
  await stage.waitForPhases({ app: 'Failed Corrupt' }, LONG_WAIT.timeout);
  expect(await stage.engine.images()).toEqual([]);
  registry.faults.corruptBlob = undefined;
  const ofLayer = (digest: string): number =>
    stage
      .requests('layers')
      .filter(({ path }) => path.endsWith(digest))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  await expectPulled(stage, 'corrupt', pushed);
  const [first = '', second = '', third = ''] = pushed.layers;
  expect(ofLayer(second)).toBeGreaterThanOrEqual(LAYER_BYTES);
  expect(ofLayer(first) + ofLayer(third)).toBeLessThanOrEqual(
    (FETCHED_AT_MOST * 2 * pushed.sizeBytes) / 3 + ON_ITS_WAY_BYTES,
  );
  toShare(stage, 'a corrupt byte in one layer of three', pushed);
});

test('a corrupt byte among the kept ones costs that layer only', async () => {
  const stage = onStage();
  const pushed = await beginPull(stage, 'rotten');
  await stage.waitForFetched(pushed.sizeBytes * 0.6);
  await stage.module?.kill();
  const dir = join(stage.storageDir, 'relay');
  const [part = ''] = (await readdir(dir)).filter((name) => name.endsWith('.part'));
  const bytes = await readFile(join(dir, part));
  bytes[1000] = (bytes[1000] ?? 0) ^ 0xff;
  await writeFile(join(dir, part), bytes);
  stage.startModule();
  await expectPulled(stage, 'rotten', pushed);
  expect(toShare(stage, 'a kept byte corrupt', pushed)).toBeLessThanOrEqual(
    FETCHED_AT_MOST + 1 / LAYERS + (2 * ON_ITS_WAY_BYTES) / pushed.sizeBytes,
  );
});

test('a token that ends in mid-blob is renewed, and no byte is fetched again', async () => {
  const stage = onStage();
  stage.registry.tokenLifetimeMs = 1000;
  Object.assign(stage.registry.faults, { tokensEndOnTime: true, cutBlobsAtBytes: EACH_TENTH });
  const pushed = await beginPull(stage, 'token');
  await expectPulled(stage, 'token', pushed);
  const refused = stage.requests('layers').filter(({ status }) => status === 401);
  expect(refused.length).toBeGreaterThan(0);
  expect(toShare(stage, 'a token that ends, and cuts', pushed)).toBeLessThanOrEqual(FETCHED_AT_MOST);
});
