import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { assembleImage } from '#lab/images/image';
import { fileLayer, syntheticLayer } from '#lab/images/layer';
import type { Layer } from '#lab/images/layer';
import type { LabOptions } from '#lab/lab';
import { startTestEngine } from '#test/engine-under-test';
import { startScene } from './scene.ts';
import type { Scene } from './scene.ts';

const run = promisify(execFile);
const MB = 1_000_000;

/** What is 200 kB at the registry, and 200 MB on the disk. */
const zeros = (): Promise<Layer> => fileLayer('zeros', Buffer.alloc(200 * MB));

const pushLayer = ({ registry }: Scene, name: string, layer: Layer): Promise<unknown> =>
  registry.push(assembleImage([layer], {}), `acme/${name}`, '1');

/** `GET bytes=…` of each request for a layer at the registry. */
const asked = ({ registry }: Scene, { digest }: Layer): readonly string[] =>
  registry.requests
    .filter(({ path }) => path.endsWith(digest))
    .map(({ method, range = 'whole' }) => `${method} ${range}`);

const toEnd = ({ sizeBytes }: Layer): string => `GET bytes=${sizeBytes - 4}-${sizeBytes - 1}`;

const unpack = async (layer: Layer): Promise<number> =>
  gunzipSync(Buffer.concat(await layer.open().toArray())).length;

/** A relay whose registry and whose engine's disk are all that a test looks at. */
const THROUGH_RELAY: LabOptions = { hasRelay: true };

it('PlanImages tells to the byte what images take on the disk, for four bytes of each layer', async () => {
  const scene = await startScene(THROUGH_RELAY);
  const layers = {
    zeros: await zeros(),
    text: await syntheticLayer({ sizeBytes: 3 * MB, seed: 'text', compressible: true }),
    noise: await syntheticLayer({ sizeBytes: 2 * MB, seed: 'noise' }),
  };
  for (const [name, layer] of Object.entries(layers)) await pushLayer(scene, name, layer);
  scene.desire({});
  scene.startModule();
  await scene.edge.waitForReported(({ lastDesiredVersion }) => lastDesiredVersion !== undefined);

  const names = Object.keys(layers);
  const images = Object.fromEntries(names.map((name) => [name, `acme/${name}:1`]));
  const needs = await Promise.all(
    Object.entries(layers).map(async ([name, layer]) => [name, (await unpack(layer)) + layer.sizeBytes]),
  );
  const diskBytes = needs.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  for (const _time of ['first', 'second']) {
    const { payload } = await scene.call('PlanImages', { images });
    expect(payload).toMatchObject({ diskBytes, fits: true });
    expect(payload).not.toHaveProperty('diskEstimated');
    const told = (payload as { images: Record<string, { diskBytes: number }> }).images;
    expect(Object.fromEntries(names.map((name) => [name, told[name]?.diskBytes]))).toEqual(
      Object.fromEntries(needs),
    );
  }
  for (const layer of Object.values(layers)) expect(asked(scene, layer)).toEqual([toEnd(layer)]);
});

it('with ample room on the disk a pull sends not one request more', async () => {
  const scene = await startScene(THROUGH_RELAY);
  const layer = await zeros();
  await pushLayer(scene, 'zeros', layer);
  scene.desire({ zeros: 'acme/zeros:1' }, { transport: 'relay' });
  scene.startModule();
  await scene.waitForReady();
  expect(asked(scene, layer)).toEqual(['GET whole']);
});

it('what would not fit once it is unpacked waits before its first byte, and comes when there is room', async () => {
  const scene = await startScene({
    ...THROUGH_RELAY,
    async startEngine(options) {
      const dataRoot = join(options.dir, 'data');
      await mkdir(dataRoot);
      await run('mount', ['-t', 'tmpfs', '-o', `size=${150 * MB}`, 'tmpfs', dataRoot]);
      // What is mounted below its folder the engine's end takes away.
      return startTestEngine(options);
    },
  });
  const layer = await zeros();
  await pushLayer(scene, 'zeros', layer);
  const settings = { transport: 'relay', minFreeDiskMB: 0 };
  scene.desire({ zeros: 'acme/zeros:1' }, settings);
  scene.startModule();
  await scene.waitForPhases({ zeros: 'Waiting LowDisk' });
  const needMB = Math.ceil(((await unpack(layer)) + layer.sizeBytes) / MB);
  expect(scene.image('zeros')['message']).toContain(`needs ${needMB} MB on`);
  expect(asked(scene, layer)).toEqual([toEnd(layer)]);

  await run('mount', ['-o', `remount,size=${400 * MB}`, join(scene.dir, 'data')]);
  scene.desire({ zeros: 'acme/zeros:1', hello: 'hello-world' }, settings);
  await scene.waitForReady();
  expect(asked(scene, layer)).toEqual([toEnd(layer), 'GET whole']);
});
