import { expect, it } from 'vitest';
import { makeImage, startScene, WAIT } from './scene.ts';

it('an unknown tag holds nothing up, and is pulled as soon as the registry has it', async () => {
  const { push, desire, waitForPhases, waitForReady, image, requests, startModule } = await startScene();
  await push('acme/app:1', ['one']);
  desire({ late: 'acme/app:2', app: 'acme/app:1', hello: 'hello-world' });
  startModule();
  await waitForPhases({ late: 'Failed NotFound', app: 'Pulled', hello: 'Pulled' });
  await expect.poll(() => image('late')['attempts'], WAIT).toBeGreaterThanOrEqual(2);
  expect(image('late')).toHaveProperty('retryAt');
  const { digest } = await push('acme/app:2', ['one', 'two']);
  await waitForReady();
  expect(image('late')).toMatchObject({ phase: 'Pulled', digest });
  expect(image('late')).not.toHaveProperty('attempts');
  // One that `app` has too, and the one that is new.
  expect(requests('layers', 'acme/app')).toHaveLength(2);
});

it('a moved tag is found by refresh, and one that has not moved costs no layer', async () => {
  const { push, desire, waitForReady, image, requests, forgetRequests, startModule, edge } =
    await startScene();
  await push('acme/app:1', ['old']);
  await push('acme/still:1', ['still']);
  desire({ app: 'acme/app:1', still: 'acme/still:1' }, { refreshIntervalSeconds: 1 });
  startModule();
  await waitForReady();
  const pulledAt = image('still')['pulledAt'];
  forgetRequests();
  await expect.poll(() => requests('manifests', 'acme/still').length, WAIT).toBeGreaterThanOrEqual(3);
  expect(requests('layers')).toEqual([]);

  const { digest } = await push('acme/app:1', ['old', 'new']);
  await edge.waitForReported(() => image('app')['digest'] === digest);
  expect(image('app')['phase']).toBe('Pulled');
  expect(requests('layers', 'acme/still')).toEqual([]);
  expect(image('still')['pulledAt']).toBe(pulledAt);
});

it('a moved tag is found by PullImages, and one that has not moved costs no layer', async () => {
  const scene = await startScene();
  const { push, desire, waitForReady, waitForTask, waitForPhases, image, requests, forgetRequests, call } =
    scene;
  await push('acme/app:1', ['old']);
  desire({ app: 'acme/app:1' }, { refreshIntervalSeconds: 0 });
  scene.startModule();
  await waitForReady();

  forgetRequests();
  const unmoved = await call('PullImages', { images: ['app'] });
  expect(unmoved).toMatchObject({ status: 202, payload: { images: ['app'] } });
  expect(await waitForTask(unmoved)).toEqual({ status: 'Completed', images: { app: 'Pulled' } });
  expect(requests('manifests', 'acme/app').length).toBeGreaterThanOrEqual(1);
  expect(requests('layers')).toEqual([]);

  const { digest } = await push('acme/app:1', ['old', 'new']);
  const moved = await call('PullImages', { images: ['app'] });
  expect(await waitForTask(moved)).toEqual({ status: 'Completed', images: { app: 'Pulled' } });
  await waitForPhases({ app: 'Pulled' });
  await expect.poll(() => image('app')['digest'], WAIT).toBe(digest);
});

it('a moved tag is found when the desired properties change, and while the registry is away the old image stays', async () => {
  const { push, desire, waitForReady, waitForPhases, image, registry, edge, startModule } =
    await startScene();
  await push('acme/app:1', ['old']);
  desire({ app: 'acme/app:1' }, { refreshIntervalSeconds: 0 });
  startModule();
  await waitForReady();
  const { digest: old } = image('app');

  const { digest } = await push('acme/app:1', ['new']);
  await registry.stop();
  desire({ app: 'acme/app:1', hello: 'hello-world' }, { refreshIntervalSeconds: 0 });
  await waitForPhases({ app: 'Pulled', hello: 'Failed RegistryUnreachable' });
  expect(image('app')['digest']).toBe(old);
  await registry.start();
  await edge.waitForReported(() => image('app')['digest'] === digest, WAIT.timeout);
  await waitForReady();
});

it('a digest pins: the image stays when its tag moves, and the registry is not asked for it again', async () => {
  const { push, desire, waitForReady, image, requests, forgetRequests, engine, plant, startModule } =
    await startScene();
  const { digest } = await push('acme/app:1', ['pinned']);
  const reference = `${plant.address}/acme/app@${digest}`;
  await push('acme/app:1', ['moved']);
  await push('acme/other:1', ['other']);
  desire({ app: `acme/app@${digest}`, other: 'acme/other:1' }, { refreshIntervalSeconds: 1 });
  startModule();
  await waitForReady();
  expect(image('app')).toMatchObject({ image: reference, digest });
  expect(await engine.inspect(reference)).toMatchObject({ references: [], digests: [reference] });

  forgetRequests();
  await expect.poll(() => requests('manifests', 'acme/other').length, WAIT).toBeGreaterThanOrEqual(3);
  expect(requests('manifests', 'acme/app')).toHaveLength(0);
});

it('a tag with a digest is pulled by the digest and then tagged, whatever the tag is at the registry', async () => {
  const { push, desire, waitForReady, image, engine, plant, startModule } = await startScene();
  const { digest } = await push('acme/app:1', ['wanted']);
  await push('acme/app:1', ['moved']);
  desire({ app: `acme/app:1@${digest}` });
  startModule();
  await waitForReady();
  expect(image('app')).toMatchObject({ digest });
  expect(await engine.inspect(`${plant.address}/acme/app:1`)).toMatchObject({
    references: [`${plant.address}/acme/app:1`],
    digests: [`${plant.address}/acme/app@${digest}`],
  });
});

it('tagAs gives an image further names, and puts back one that is taken away without asking the registry', async () => {
  const { push, desire, waitForReady, image, engine, plant, startModule, registry } = await startScene();
  await push('acme/app:1', ['app']);
  const names = ['contoso.azurecr.io/acme/app:1.0', 'docker.io/library/app:stable'];
  desire({ app: { image: 'acme/app:1', tagAs: names } });
  startModule();
  await waitForReady();
  const wanted = [`${plant.address}/acme/app:1`, 'app:stable', 'contoso.azurecr.io/acme/app:1.0'];
  const references = async (): Promise<readonly string[] | undefined> =>
    (await engine.inspect(`${plant.address}/acme/app:1`))?.references;
  expect(await references()).toEqual(wanted);

  const asked = registry.requests.length;
  await engine.remove('contoso.azurecr.io/acme/app:1.0');
  await expect.poll(references, WAIT).toEqual(wanted);
  await waitForReady();
  expect(registry.requests).toHaveLength(asked);
  expect(image('app')).not.toHaveProperty('evictions');
});

it('if-not-present: the registry is asked nothing about an image that the engine has, moved or not', async () => {
  const { push, desire, waitForReady, waitForPhases, image, requests, forgetRequests, engine, ...scene } =
    await startScene();
  const { plant, passwords } = scene;
  const { digest } = await push('acme/app:1', ['old']);
  await engine.pull(`${plant.address}/acme/app:1`, {
    credentials: { username: plant.username, password: passwords.one },
  });
  await push('acme/app:1', ['new']);
  await push('acme/other:1', ['other']);
  forgetRequests();
  const app = { image: 'acme/app:1', pullPolicy: 'if-not-present' };
  desire({ app, other: 'acme/other:1' }, { refreshIntervalSeconds: 1 });
  scene.startModule();
  await waitForReady();
  expect(image('app')).toMatchObject({ phase: 'Pulled', digest });
  await expect.poll(() => requests('manifests', 'acme/other').length, WAIT).toBeGreaterThanOrEqual(4);
  desire({ app }, { refreshIntervalSeconds: 1 });
  await waitForPhases({ app: 'Pulled' });
  await waitForReady();
  expect([...requests('manifests', 'acme/app'), ...requests('blobs', 'acme/app')]).toEqual([]);
});

it('an image for a foreign architecture fails and does not stay under the wanted reference', async () => {
  const { desire, waitForPhases, waitForReady, image, engine, registry, plant, startModule } =
    await startScene();
  await registry.push(await makeImage(['foreign'], 200_000, 'linux/arm64'), 'acme/app', '1');
  desire({ app: 'acme/app:1', hello: 'hello-world' });
  startModule();
  await waitForPhases({ app: 'Failed PlatformMismatch', hello: 'Pulled' });
  expect(String(image('app')['message'])).toMatch(/linux\/arm64.*linux\/amd64/);
  expect(await engine.inspect(`${plant.address}/acme/app:1`)).toBeUndefined();

  await registry.push(await makeImage(['native']), 'acme/app', '1');
  await waitForReady();
});

it('an image that was there stays when its tag moves to a foreign architecture', async () => {
  const { push, desire, waitForPhases, waitForReady, engine, registry, plant, startModule } =
    await startScene();
  const reference = `${plant.address}/acme/app:1`;
  await push('acme/app:1', ['native']);
  desire({ app: 'acme/app:1' }, { refreshIntervalSeconds: 1 });
  startModule();
  await waitForReady();
  const before = await engine.inspect(reference);
  await registry.push(await makeImage(['foreign'], 200_000, 'linux/arm64'), 'acme/app', '1');
  await waitForPhases({ app: 'Failed PlatformMismatch' });
  expect(await engine.inspect(reference)).toEqual(before);
});

it('an image wanted for another platform than the engine’s is pulled for that one', async () => {
  const { desire, waitForReady, engine, registry, plant, startModule } = await startScene();
  await registry.push(await makeImage(['foreign'], 200_000, 'linux/arm64'), 'acme/app', '1');
  desire({ app: { image: 'acme/app:1', platform: 'linux/arm64' } });
  startModule();
  await waitForReady();
  expect(await engine.inspect(`${plant.address}/acme/app:1`)).toMatchObject({ architecture: 'arm64' });
});

it('an image that is deleted behind our back is pulled again, and counted', async () => {
  const { push, desire, waitForReady, image, engine, edge, plant, startModule } = await startScene();
  await push('acme/app:1', ['app']);
  await push('acme/other:1', ['other']);
  desire({ app: 'acme/app:1', other: 'acme/other:1' });
  startModule();
  await waitForReady();
  await engine.remove(`${plant.address}/acme/app:1`);
  await edge.waitForReported(
    () => image('app')['evictions'] === 1 && image('app')['phase'] === 'Pulled',
    WAIT.timeout,
  );
  expect(await engine.inspect(`${plant.address}/acme/app:1`)).toBeDefined();
  expect(image('other')).not.toHaveProperty('evictions');
});
