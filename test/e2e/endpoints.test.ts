import { expect, test } from 'vitest';
import { readEndpoints } from './endpoints.ts';
import { startScene, toObject } from './scene.ts';

test('needs every endpoint of the engine that docs/security.md lists, and no other', async () => {
  const scene = await startScene({ hasRelay: false });
  const { push, desire, waitForReady, waitForPhases, startModule, registry, plant, passwords, call, engine } =
    scene;
  const first = await push('acme/moved:1', ['first']);
  await push('acme/pinned:1', ['pinned']);
  const settings = { unlisted: 'remove' };
  const pinned = `acme/pinned:1@${(await push('acme/pinned:1', ['pinned'])).digest}`;
  desire(
    {
      moved: { image: 'acme/moved:1', tagAs: ['contoso.azurecr.io/acme/moved:1'] },
      pinned,
      hello: 'hello-world',
    },
    settings,
  );
  startModule();
  await waitForReady();

  const { digest } = await push('acme/moved:1', ['second']);
  expect(digest).not.toBe(first.digest);
  expect(await call('PullImages', { images: ['moved'] })).toMatchObject({ status: 202 });
  await scene.edge.waitForReported(
    ({ images }) => toObject(toObject(images)['moved'])['digest'] === digest,
    30_000,
  );

  registry.tokens.set(plant.username, {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password2: { value: passwords.two } },
  });
  desire({ hello: 'hello-world' }, settings, { plant: { ...plant, password2: passwords.two } });
  await waitForPhases({ hello: 'Pulled' });
  await expect.poll(async () => (await engine.images()).length, { timeout: 30_000 }).toBe(1);

  expect(new Set(scene.filter?.requests.map(({ endpoint }) => endpoint))).toEqual(new Set(readEndpoints()));
});
