import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';

const SLOW = 150_000;
const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 2, reportIntervalSeconds: 1 };

it('adds one image, removes one and cancels one in mid-pull by a twin update', async () => {
  const scene = await startScene();
  const { desire, startModule, waitForPhases, waitForReady, push, registry, edge, engine, image } = scene;
  for (const name of ['a', 'b', 'c']) await push(`acme/${name}:1`, [name], 600_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ a: 'acme/a:1', b: 'acme/b:1', hello: { image: 'hello-world', priority: 9 } }, QUICK);
  startModule();
  await edge.waitForReported(
    () => Number(image('b')['downloadedBytes']) > 0 && image('hello')['phase'] === 'Pulled',
  );
  desire({ a: 'acme/a:1', c: 'acme/c:1' }, QUICK);
  await edge.waitForReported(({ images }) => !('b' in toObject(images)) && !('hello' in toObject(images)));
  registry.faults.bytesPerSecond = undefined;
  await waitForPhases({ a: 'Pulled', c: 'Pulled' });
  await waitForReady();
  const names = (await engine.images()).flatMap(({ references }) => references);
  expect(names).not.toContain(`${registry.address}/acme/b:1`);
  expect(names).toContain(`${registry.address}/hello-world:latest`);
  expect(scene.output).toContain('"cause":"Unwanted"');
});

it('lets percent grow and never fall, reports progress at its pace, and says 100 only by Pulled', async () => {
  const { desire, startModule, waitForReady, push, registry, edge } = await startScene();
  await push('acme/big:1', ['x', 'y'], 1_500_000);
  registry.faults.bytesPerSecond = 500_000;
  desire({ big: 'acme/big:1' }, QUICK);
  startModule();
  const reported = await waitForReady();
  expect(toObject(toObject(reported['images'])['big'])).not.toHaveProperty('percent');
  const percents = edge.reports
    .map(({ patch }) => toObject(toObject(toObject(patch)['images'])['big'])['percent'])
    .filter((percent) => typeof percent === 'number');
  expect(percents.length).toBeGreaterThanOrEqual(2);
  expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  expect(Math.max(...percents)).toBeLessThan(100);
});

it('cancels by method, stays cancelled, and pulls again by method', async () => {
  const { desire, startModule, waitForPhases, waitForReady, push, registry, edge, call } = await startScene();
  await push('acme/big:1', ['x'], 2_000_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: 'hello-world' }, QUICK);
  startModule();
  await edge.waitForReported(
    () => Number(toObject(toObject(edge.reported()['images'])['big'])['downloadedBytes']) > 0,
  );
  expect(await call('CancelPulls', { images: ['big'] })).toEqual({
    status: 200,
    payload: { cancelled: ['big'] },
  });
  await waitForPhases({ big: 'Failed Cancelled', hello: 'Pulled' });
  registry.faults.bytesPerSecond = undefined;
  const { status } = await call('PullImages', { images: ['big'] });
  expect(status).toBe(202);
  await waitForReady();
});

it('removes what it pulled and nobody lists, but nothing that a container uses or that it did not pull', async () => {
  const { desire, startModule, waitForReady, push, registry, engine, plant, passwords } = await startScene();
  for (const name of ['a', 'foreign']) await push(`acme/${name}:1`, [name]);
  const foreign = `${registry.address}/acme/foreign:1`;
  await engine.pull(foreign, { credentials: { username: plant.username, password: passwords.one } });
  const settings = { ...QUICK, unlisted: 'remove' };
  desire({ a: 'acme/a:1', foreign: 'acme/foreign:1' }, settings);
  startModule();
  await waitForReady();
  desire({ hello: 'hello-world' }, settings);
  await waitForReady();
  const toNames = async (): Promise<string[]> =>
    (await engine.images()).flatMap(({ references }) => references);
  await expect.poll(toNames, { timeout: 20_000 }).not.toContain(`${registry.address}/acme/a:1`);
  expect(await toNames()).toContain(foreign);
});

it('waits while paused, outside the window, and for disk, and says which', async () => {
  const { desire, startModule, waitForPhases, waitForReady, call } = await startScene();
  desire({ hello: 'hello-world' }, { paused: true });
  startModule();
  await waitForPhases({ hello: 'Waiting Paused' });
  desire({ hello: 'hello-world' }, { minFreeDiskMB: 90_000_000 });
  await waitForPhases({ hello: 'Waiting LowDisk' });
  const hour = new Date().getUTCHours();
  const at = (offset: number): string => `${String((hour + offset) % 24).padStart(2, '0')}:00`;
  desire({ hello: 'hello-world' }, { pullWindow: { start: at(10), end: at(12), timeZone: 'UTC' } });
  await waitForPhases({ hello: 'Waiting OutsideWindow' });
  await call('PullImages', { images: ['hello'] });
  await waitForReady();
});

it('pulls by priority, one at a time, as the registry sees it', async () => {
  const { desire, startModule, waitForReady, push, registry } = await startScene();
  for (const name of ['a', 'b', 'c']) await push(`acme/${name}:1`, [name], 50_000);
  desire(
    { a: 'acme/a:1', b: { image: 'acme/b:1', priority: -5 }, c: { image: 'acme/c:1', priority: 9 } },
    { ...QUICK, maxConcurrentPulls: 1 },
  );
  startModule();
  await waitForReady();
  const order = registry.requests
    .map(({ path }) => /\/v2\/acme\/(\w)\/blobs/.exec(path)?.[1])
    .filter((name, index, all) => name !== undefined && all.indexOf(name) === index);
  expect(order).toEqual(['c', 'a', 'b']);
});
