import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startEngineFilter } from '#lab/engine/filter';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestEngine } from '#test/engine-under-test';
import { startScene, toObject } from './scene.ts';

/** The table of docs/security.md. */
async function readEndpoints(): Promise<string[]> {
  const text = await readFile('docs/security.md', 'utf8');
  return Array.from(text.matchAll(/^\| `((?:GET|POST|DELETE) [^`]+)`/gm), ([, endpoint = '']) => endpoint);
}

test('needs every endpoint of the engine that docs/security.md lists, and no other', async () => {
  const endpoints = await readEndpoints();
  const dir = await mkdtemp(join(tmpdir(), 'endpoints-'));
  const engine = await startTestEngine({ dir });
  const filter = await startEngineFilter(engine.socketPath, endpoints);
  onTestFinished(async () => {
    await filter.stop();
    await engine.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const scene = await startScene({ engine, environment: { DOCKER_HOST: filter.dockerHost } });
  const { push, desire, waitForReady, waitForPhases, startModule, registry, plant, passwords, call } = scene;
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

  expect(filter.requests.filter(({ endpoint }) => endpoint === undefined)).toEqual([]);
  expect(new Set(filter.requests.map(({ endpoint }) => endpoint))).toEqual(new Set(endpoints));
});
