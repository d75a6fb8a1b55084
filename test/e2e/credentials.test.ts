import { expect, it } from 'vitest';
import { makeImage, startScene, toObject } from './scene.ts';

it('a wrong password is reported once for its registry, and the right one heals all its images', async () => {
  const scene = await startScene();
  const { push, desire, plant, waitForPhases, waitForReady, login, startModule, registry } = scene;
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await push(`acme/${name}:1`, [name]);
  const images = Object.fromEntries(names.map((name) => [name, `acme/${name}:1`]));
  desire(
    images,
    { retryInitialSeconds: 600, retryMaxSeconds: 600 },
    {
      plant: { ...plant, password: 'wrong-one-3f9c77' },
    },
  );
  startModule();
  await waitForPhases(Object.fromEntries(names.map((name) => [name, 'Failed Unauthorized'])));
  expect(login()).toMatchObject({ login: 'Failed', reason: 'Unauthorized' });
  expect(registry.tokenRequests.map(({ ok }) => ok)).toEqual([false]);

  desire(images);
  await waitForReady();
  expect(login()).toMatchObject({ login: 'Succeeded', credential: 'password' });
  expect(login()).not.toHaveProperty('reason');
});

it('a password that is rotated away in mid-list gives way to the second one without a pause', async () => {
  // Through the relay a token that was fetched before stays good for its time, and no pull meets the refusal.
  const scene = await startScene({ hasRelay: false });
  const { push, desire, plant, passwords, setPasswords, waitForBytes, waitForReady, startModule, edge } =
    scene;
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) await push(`acme/${name}:1`, [name], 600_000);
  scene.registry.faults.totalBytesPerSecond = 1_000_000;
  desire(
    Object.fromEntries(names.map((name) => [name, `acme/${name}:1`])),
    { maxConcurrentPulls: 1, retryInitialSeconds: 600, retryMaxSeconds: 600 },
    { plant: { ...plant, password2: passwords.two } },
  );
  startModule();
  await waitForBytes('acme/c', 200_000);
  expect(scene.login()).toMatchObject({ login: 'Succeeded', credential: 'password' });
  setPasswords(undefined, passwords.two);
  const reported = await waitForReady();
  expect(toObject(reported['summary'])).toMatchObject({ desired: 6, pulled: 6, failed: 0 });
  expect(scene.login()).toMatchObject({ login: 'Succeeded', credential: 'password2' });
  // One pull met the refusal; nobody heard of it as a failure of the registry's.
  expect(JSON.stringify(edge.reports)).not.toContain('"login":"Failed"');
});

it('the second password is used at once where the first is refused from the start', async () => {
  const { push, desire, plant, passwords, setPasswords, waitForReady, login, startModule, registry } =
    await startScene();
  setPasswords(undefined, passwords.two);
  await push('acme/app:1', ['app']);
  desire({ app: 'acme/app:1' }, {}, { plant: { ...plant, password2: passwords.two } });
  startModule();
  await waitForReady();
  expect(login()).toMatchObject({ login: 'Succeeded', credential: 'password2' });
  expect(registry.tokenRequests.filter(({ ok }) => !ok)).toHaveLength(1);
});

it('a repository outside the scope map is denied alone, and pulled once the scope map has it', async () => {
  const { push, desire, waitForPhases, waitForReady, image, login, startModule, registry } =
    await startScene();
  await push('acme/app:1', ['app']);
  await push('secret/app:1', ['secret']);
  desire({ app: 'acme/app:1', hello: 'hello-world', secret: 'secret/app:1' });
  startModule();
  await waitForPhases({ app: 'Pulled', hello: 'Pulled', secret: 'Failed AccessDenied' });
  expect(image('secret')).toHaveProperty('retryAt');
  expect(login()).toMatchObject({ login: 'Succeeded' });

  const actions = registry.scopeMaps.get('readers') ?? [];
  registry.scopeMaps.set('readers', [...actions, 'repositories/secret/app/content/read']);
  await waitForReady();
});

it('a registry that asks for no password stands beside one that does', async () => {
  const { push, desire, plant, startOpenRegistry, waitForReady, edge, engine, startModule } =
    await startScene();
  const open = await startOpenRegistry();
  await open.push(await makeImage(['open']), 'acme/app', '1');
  await push('acme/app:1', ['closed']);
  desire(
    {
      byName: { image: 'acme/app:1', registry: 'open' },
      byAddress: `${open.address}/acme/app:1`,
      closed: { image: 'acme/app:1', registry: 'plant' },
    },
    {},
    { plant, open: { address: open.address } },
  );
  startModule();
  await waitForReady();
  expect(edge.reported()['registries']).toMatchObject({
    open: { address: open.address, login: 'Anonymous' },
    plant: { address: plant.address, login: 'Succeeded' },
  });
  const references = (await engine.images()).flatMap((image) => image.references);
  expect(references.toSorted()).toEqual(
    [`${open.address}/acme/app:1`, `${plant.address}/acme/app:1`].toSorted(),
  );
});

it('a disabled token and then an enabled one: the login heals by itself', async () => {
  const { push, desire, plant, waitForPhases, waitForReady, login, startModule, registry } =
    await startScene();
  await push('acme/app:1', ['app']);
  const token = registry.tokens.get(plant.username);
  if (token === undefined) throw new Error('the scene has no token');
  token.status = 'disabled';
  desire({ app: 'acme/app:1' });
  startModule();
  await waitForPhases({ app: 'Failed Unauthorized' });
  token.status = 'enabled';
  await waitForReady();
  expect(login()).toMatchObject({ login: 'Succeeded', credential: 'password' });
});
