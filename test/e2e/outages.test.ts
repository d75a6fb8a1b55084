import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startRegistry } from '#lab/registry/registry';
import { syntheticImage } from '#lab/images/image';
import { startScene, toObject } from './scene.ts';
import type { Scene } from './scene.ts';

const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 2, reportIntervalSeconds: 1 };
const SLOW = 150_000;

const isPulling = (scene: Scene, name: string): boolean => Number(scene.image(name)['downloadedBytes']) > 0;

it('keeps what is there while the registry is away, and pulls the rest when it is back', async () => {
  const scene = await startScene();
  const { desire, startModule, waitForPhases, waitForReady, push, registry, edge } = scene;
  await push('acme/late:1', ['late']);
  desire({ hello: 'hello-world' }, QUICK);
  startModule();
  await waitForReady();
  await registry.stop();
  desire({ hello: 'hello-world', late: 'acme/late:1' }, QUICK);
  await waitForPhases({ hello: 'Pulled', late: 'Failed RegistryUnreachable' });
  await edge.waitForReported(({ registries }) => {
    const { login, reason } = toObject(toObject(registries)['plant']);
    return login === 'Failed' && reason === 'RegistryUnreachable';
  });
  await registry.start();
  await waitForReady();
});

describe.each(['kept', 'lost'] as const)('edgeHub away and back with its sessions %s', (sessions) => {
  it('pulls what was desired meanwhile', async () => {
    const { desire, startModule, waitForReady, push, edge } = await startScene();
    await push('acme/late:1', ['late']);
    desire({ hello: 'hello-world' }, QUICK);
    const module = startModule();
    await waitForReady();
    await edge.stopHub();
    desire({ hello: 'hello-world', late: 'acme/late:1' }, QUICK);
    await edge.startHub({ sessions });
    await waitForReady(60_000);
    expect(module.ending).toBeUndefined();
    edge.patchDesired({ images: { late: null } });
    await waitForReady();
  });
});

it('waits for an edgeHub that is not there at the start, and never ends for it', async () => {
  const { desire, startModule, waitForReady, edge } = await startScene();
  await edge.stopHub();
  desire({ hello: 'hello-world' });
  const module = startModule();
  await expect.poll(() => module.output, { timeout: 20_000 }).toContain('not connected to edgeHub');
  await edge.startHub();
  await waitForReady(60_000);
});

it('removes nothing when edgeHub answers with an empty twin', async () => {
  const { desire, startModule, waitForReady, edge, engine } = await startScene();
  desire({ hello: 'hello-world' }, { ...QUICK, unlisted: 'remove' });
  const module = startModule();
  await waitForReady();
  edge.faults.emptyTwin = true;
  const gets = edge.twinGets;
  edge.cutConnections();
  await expect.poll(() => edge.twinGets, { timeout: 30_000 }).toBeGreaterThan(gets);
  await expect
    .poll(() => module.output, { timeout: 10_000 })
    .toContain('edgeHub knows no desired properties');
  expect(await engine.images()).toHaveLength(1);
  edge.faults.emptyTwin = false;
});

it('goes on after SIGKILL in mid-pull and a new start', async () => {
  const scene = await startScene();
  const { desire, startModule, waitForReady, push, registry, edge } = scene;
  await push('acme/big:1', ['x'], 800_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: 'hello-world' }, QUICK);
  const first = startModule();
  await edge.waitForReported(() => isPulling(scene, 'big'));
  await first.kill();
  registry.faults.bytesPerSecond = undefined;
  startModule();
  await waitForReady();
});

it('goes on after the engine was restarted in mid-pull, and says that it was away', async () => {
  const scene = await startScene();
  const { desire, startModule, waitForReady, push, registry, edge, ownEngine } = scene;
  await push('acme/big:1', ['x'], 800_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: 'hello-world' }, QUICK);
  const module = startModule();
  await edge.waitForReported(() => isPulling(scene, 'big'));
  await ownEngine?.stop();
  await edge.waitForReported(() => scene.image('big')['reason'] === 'EngineUnavailable', 20_000);
  registry.faults.bytesPerSecond = undefined;
  await ownEngine?.start();
  await waitForReady(60_000);
  expect(module.ending).toBeUndefined();
});

it('pulls an image again that was deleted behind its back, and counts it', async () => {
  const { desire, startModule, waitForReady, edge, engine, registry, image } = await startScene();
  desire({ hello: 'hello-world' }, QUICK);
  startModule();
  await waitForReady();
  await engine.remove(`${registry.address}/hello-world:latest`);
  await edge.waitForReported(
    () => image('hello')['evictions'] === 1 && image('hello')['phase'] === 'Pulled',
    20_000,
  );
});

it('ends every pull when a registry is half open, and brings what another registry has', async () => {
  const scene = await startScene();
  const { desire, startModule, push, registry, edge, plant, dir } = scene;
  const other = await startRegistry({ dir: await mkdtemp(join(dir, 'other-')), auth: 'none' });
  try {
    await push('acme/stuck:1', ['a', 'b', 'c', 'd'], 600_000);
    await other.push(
      await syntheticImage({ layers: [{ sizeBytes: 100_000, seed: 'o' }] }),
      'acme/other',
      '1',
    );
    registry.faults.bytesPerSecond = SLOW;
    const settings = { ...QUICK, stallTimeoutSeconds: 4, retryInitialSeconds: 30, retryMaxSeconds: 60 };
    const credentials = { plant, other: { address: other.address } };
    const stuck = { image: 'acme/stuck:1', registry: 'plant' };
    desire({ stuck }, settings, credentials);
    startModule();
    await edge.waitForReported(() => isPulling(scene, 'stuck'));
    registry.faults.hang = true;
    desire({ stuck, other: `${other.address}/acme/other:1` }, settings, credentials);
    await edge.waitForReported(() => scene.image('stuck')['reason'] === 'Stalled', 64_000);
    await edge.waitForReported(() => scene.image('other')['phase'] === 'Pulled', 64_000);
  } finally {
    await other.close();
  }
});

it('ends on SIGTERM in mid-pull within 10 s, with exit code 0 and a report that no pull goes on', async () => {
  const scene = await startScene();
  const { desire, startModule, push, registry, edge } = scene;
  await push('acme/big:1', ['x'], 800_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1' }, QUICK);
  const module = startModule();
  await edge.waitForReported(() => isPulling(scene, 'big'));
  const startedMs = performance.now();
  expect(await module.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(scene.image('big')).toMatchObject({ phase: 'Waiting', reason: 'Queued' });
});

it('ends with exit code 2 and names what is wrong in its environment', async () => {
  const { environment } = await startScene();
  const env = { ...environment, HTTP_PORT: 'ninety', IOTEDGE_DEVICEID: '' };
  const child = spawn(process.execPath, ['dist/main.js'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(2);
  const line = Buffer.concat(chunks).toString();
  expect(line).toMatch(/^<0> .*HTTP_PORT.*\n$/);
  expect(line).toContain('IOTEDGE_DEVICEID');
});
