import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';

const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 2, reportIntervalSeconds: 1 };

it('fails every image for a wrong password, tries it once a retry delay, and pulls with the right one', async () => {
  const { desire, startModule, waitForPhases, waitForReady, push, registry, plant, edge } =
    await startScene();
  await push('acme/a:1', ['a']);
  await push('acme/b:1', ['b']);
  const images = { a: 'acme/a:1', b: 'acme/b:1', hello: 'hello-world' };
  desire(images, { retryInitialSeconds: 30 }, { plant: { ...plant, password: 'not the password' } });
  startModule();
  await waitForPhases({ a: 'Failed Unauthorized', b: 'Failed Unauthorized', hello: 'Failed Unauthorized' });
  expect(toObject(edge.reported()['registries'])['plant']).toMatchObject({
    login: 'Failed',
    reason: 'Unauthorized',
  });
  expect(registry.tokenRequests.filter(({ ok }) => !ok)).toHaveLength(1);
  desire(images);
  const reported = await waitForReady();
  expect(toObject(reported['registries'])['plant']).toMatchObject({
    login: 'Succeeded',
    credential: 'password',
  });
});

it('goes over to the second password in the middle of a list, and says which one is in use', async () => {
  const { desire, startModule, waitForReady, push, registry, plant, passwords, edge } = await startScene();
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) await push(`acme/${name}:1`, [name], 400_000);
  registry.faults.bytesPerSecond = 400_000;
  const images = Object.fromEntries(names.map((name) => [name, `acme/${name}:1`]));
  desire(images, { ...QUICK, maxConcurrentPulls: 1 }, { plant: { ...plant, password2: passwords.two } });
  startModule();
  await edge.waitForReported(({ summary }) => Number(toObject(summary)['pulled']) >= 1);
  const token = registry.tokens.get(plant.username);
  if (token !== undefined) token.passwords = { password2: { value: passwords.two } };
  registry.faults.bytesPerSecond = undefined;
  const reported = await waitForReady();
  expect(toObject(reported['registries'])['plant']).toMatchObject({
    login: 'Succeeded',
    credential: 'password2',
  });
});

it('pulls what the scope map allows, and the rest as soon as the scope map is widened', async () => {
  const { desire, startModule, waitForPhases, waitForReady, push, registry, image } = await startScene();
  await push('private/secret:1', ['s']);
  desire({ hello: 'hello-world', secret: 'private/secret:1' }, QUICK);
  startModule();
  await waitForPhases({ hello: 'Pulled', secret: 'Failed AccessDenied' });
  expect(String(image('secret')['message'])).toContain('Insufficient scopes');
  registry.scopeMaps.set('readers', ['repositories/*/content/read']);
  await waitForReady();
});
