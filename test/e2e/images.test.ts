import { expect, it } from 'vitest';
import { helloWorld } from '#lab/images/hello-world';
import { startScene } from './scene.ts';

const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 2, reportIntervalSeconds: 1 };

it('finds a tag that appears later, without a pull until it is there', async () => {
  const { desire, startModule, waitForPhases, waitForReady, push, registry } = await startScene();
  desire({ hello: 'hello-world', late: 'acme/late:1' }, QUICK);
  startModule();
  await waitForPhases({ hello: 'Pulled', late: 'Failed NotFound' });
  const blobsBefore = registry.requests.filter(({ path }) => path.includes('/acme/late/blobs/'));
  expect(blobsBefore).toHaveLength(0);
  await push('acme/late:1', ['late']);
  await waitForReady();
});

it('pulls a moved tag at the next refresh, and fetches no layer for an unmoved one', async () => {
  const { desire, startModule, waitForReady, push, edge, image, blobs, call } = await startScene();
  const before = await push('acme/camera:1', ['one']);
  desire({ camera: 'acme/camera:1' }, { ...QUICK, refreshIntervalSeconds: 2 });
  startModule();
  await waitForReady();
  expect(image('camera')).toMatchObject({ digest: before.digest });
  const { bytes } = blobs();
  const { payload } = await call('PullImages', {});
  const { correlationId } = payload as { correlationId: string };
  await expect
    .poll(async () => (await call('GetTaskStatus', { correlationId })).payload, { timeout: 20_000 })
    .toMatchObject({ status: 'Completed', images: { camera: 'Pulled' } });
  // The engine reads a manifest with its configuration, which names the platform.
  expect(blobs().bytes - bytes).toBeLessThan(5000);
  const after = await push('acme/camera:1', ['two']);
  await edge.waitForReported(() => image('camera')['digest'] === after.digest, 20_000);
  expect(blobs().bytes - bytes).toBeGreaterThan(200_000);
});

it('pulls by digest, tags by tag and digest, and gives every further name of tagAs', async () => {
  const { desire, startModule, waitForReady, push, engine, registry, image } = await startScene();
  const { digest } = await push('acme/camera:1', ['one']);
  await push('acme/camera:1', ['two']);
  desire({
    pinned: `acme/camera@${digest}`,
    both: `acme/camera:stable@${digest}`,
    named: { image: 'acme/camera:1', tagAs: ['contoso.azurecr.io/acme/camera:1', 'local.test/camera:now'] },
  });
  startModule();
  await waitForReady();
  expect(image('pinned')).toMatchObject({ phase: 'Pulled', digest });
  expect(image('both')).toMatchObject({ phase: 'Pulled', digest });
  const names = (await engine.images()).flatMap(({ references }) => references);
  expect(names).toEqual(
    expect.arrayContaining([
      `${registry.address}/acme/camera:stable`,
      `${registry.address}/acme/camera:1`,
      'contoso.azurecr.io/acme/camera:1',
      'local.test/camera:now',
    ]),
  );
});

it('asks the registry nothing for an image that is there with if-not-present', async () => {
  const { desire, startModule, waitForReady, push, registry, plant, passwords, engine } = await startScene();
  await push('acme/camera:1', ['one']);
  const reference = `${registry.address}/acme/camera:1`;
  await engine.pull(reference, { credentials: { username: plant.username, password: passwords.one } });
  const before = registry.requests.length;
  desire({ camera: { image: 'acme/camera:1', pullPolicy: 'if-not-present' } });
  startModule();
  await waitForReady();
  const asked = registry.requests.slice(before).filter(({ path }) => path.includes('/acme/camera/'));
  expect(asked).toEqual([]);
});

it('does not leave an image of a foreign platform under the wanted reference', async () => {
  const { desire, startModule, waitForPhases, registry, engine, image } = await startScene();
  await registry.push(await helloWorld('linux/arm64'), 'acme/foreign', '1');
  desire({ hello: 'hello-world', foreign: 'acme/foreign:1' }, QUICK);
  startModule();
  await waitForPhases({ hello: 'Pulled', foreign: 'Failed PlatformMismatch' });
  expect(String(image('foreign')['message'])).toContain('linux/arm64');
  const names = (await engine.images()).flatMap(({ references }) => references);
  expect(names).not.toContain(`${registry.address}/acme/foreign:1`);
});

it('reports the faults of some entries by path, and pulls the others', async () => {
  const { desire, startModule, waitForPhases, edge, plant } = await startScene();
  desire(
    {
      hello: 'hello-world',
      upper: 'Acme/Camera',
      elsewhere: { image: 'hello-world', registry: 'nowhere' },
      wrong: { image: 7 },
    },
    { maxConcurrentPulls: 'many', surprise: 1 },
    { plant },
  );
  startModule();
  await waitForPhases({
    hello: 'Pulled',
    upper: 'Failed InvalidImage',
    elsewhere: 'Failed UnknownRegistry',
    wrong: 'Failed InvalidImage',
  });
  const { code, description } = edge.reported()['lastDesiredStatus'] as { code: number; description: string };
  expect(code).toBe(400);
  for (const path of [
    'images.upper',
    'images.elsewhere.registry',
    'images.wrong.image',
    'settings.maxConcurrentPulls',
  ]) {
    expect(description).toContain(path);
  }
  expect(description).toContain('surprise');
});
