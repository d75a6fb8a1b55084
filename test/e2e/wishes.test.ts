import { expect, it } from 'vitest';
import { callEngineJson } from '#lab/engine/engine-api';
import { listReferences, startScene, toObject, WAIT } from './scene.ts';

it('an image added, one removed and one changed in mid-pull leave a fourth one’s pull alone', async () => {
  const { push, desire, startModule, waitForBytes, waitForReady, requests, registry, edge, engine, image } =
    await startScene();
  const names = ['keep', 'gone', 'changed'];
  for (const name of names) await push(`acme/${name}:1`, [name], 900_000);
  for (const name of ['changed:2', 'added:1']) await push(`acme/${name}`, [name]);
  registry.faults.bytesPerSecond = 150_000;
  const images = Object.fromEntries(names.map((name) => [name, `acme/${name}:1`]));
  desire({ ...images, done: { image: 'hello-world', priority: 1 } });
  startModule();
  for (const name of names) await waitForBytes(`acme/${name}`, 50_000);
  await edge.waitForReported(() => image('done')['phase'] === 'Pulled');

  desire({ keep: 'acme/keep:1', changed: 'acme/changed:2', added: 'acme/added:1' });
  await edge.waitForReported(({ images }) => !('gone' in toObject(images)));
  registry.faults.bytesPerSecond = undefined;
  await waitForReady();
  expect(await listReferences(engine)).toEqual(
    ['acme/added:1', 'acme/changed:2', 'acme/keep:1', 'hello-world:latest'].map(
      (name) => `${registry.address}/${name}`,
    ),
  );
  const wholeLayers = (name: string): boolean[] =>
    requests('layers', `acme/${name}`).map(({ bytes }) => bytes > 900_000);
  expect(wholeLayers('keep')).toEqual([true]);
  expect(wholeLayers('gone')).toEqual([false]);
  expect(wholeLayers('changed')).not.toContain(true);
});

it('faults in some entries are reported by path and on the entries, and the others are pulled', async () => {
  const { desire, startModule, waitForPhases, edge, plant } = await startScene();
  desire(
    {
      hello: 'hello-world',
      upper: 'Acme/Camera',
      elsewhere: { image: 'hello-world', registry: 'nowhere' },
      wrong: { image: 7 },
      full: `${plant.address}/hello-world`,
      needsBroken: { image: 'hello-world', registry: 'broken' },
    },
    { maxConcurrentPulls: 'many', surprise: 1 },
    { plant, broken: { address: 'http://plant/path', username: 'user', password: 'not-in-any-text' } },
  );
  startModule();
  await waitForPhases({
    hello: 'Failed UnknownRegistry',
    upper: 'Failed InvalidImage',
    elsewhere: 'Failed UnknownRegistry',
    wrong: 'Failed InvalidImage',
    needsBroken: 'Failed UnknownRegistry',
    full: 'Pulled',
  });
  const { code, description } = toObject(edge.reported()['lastDesiredStatus']);
  expect(code).toBe(400);
  const paths = [
    'images.elsewhere.registry',
    'images.needsBroken.registry',
    'images.upper',
    'images.wrong.image',
    'registryCredentials.broken.address',
    'settings.maxConcurrentPulls',
    'settings.surprise',
  ];
  for (const path of paths) expect(description).toContain(path);
  expect(edge.reported()['summary']).toMatchObject({ ready: false, desired: 6, pulled: 1, failed: 5 });

  // Two registries were listed, so that a bare name alone fitted neither: with one it does.
  desire({ hello: 'hello-world', upper: 'Acme/Camera' });
  await waitForPhases({ hello: 'Pulled', upper: 'Failed InvalidImage' });
});

it('an unlisted image is removed, but not one that a container uses, that is listed by another name or was there before', async () => {
  const scene = await startScene();
  const { push, desire, startModule, waitForReady, engine, registry, plant, passwords } = scene;
  for (const name of ['again', 'foreign', 'listed', 'unused', 'used']) {
    await push(`acme/${name}:1`, ['base', name]);
  }
  const reference = (name: string): string => `${registry.address}/acme/${name}:1`;
  const credentials = { username: plant.username, password: passwords.one };
  await engine.pull(reference('foreign'), { credentials });

  const settings = { unlisted: 'remove' };
  const listed = { listed: 'acme/listed:1' };
  const others = { unused: 'acme/unused:1', used: 'acme/used:1', again: 'acme/again:1' };
  desire({ ...listed, ...others, foreign: 'acme/foreign:1' }, settings);
  startModule();
  await waitForReady();
  await callEngineJson(engine.dockerHost, {
    method: 'POST',
    path: '/containers/create?name=user',
    body: { Image: reference('used'), Cmd: ['/none'], HostConfig: { NetworkMode: 'none' } },
  });

  desire({ ...listed, other: 'acme/again:1' }, settings);
  await expect
    .poll(() => listReferences(engine), WAIT)
    .toEqual(['again', 'foreign', 'listed', 'used'].map(reference));
  await waitForReady();

  await callEngineJson(engine.dockerHost, { method: 'DELETE', path: '/containers/user' });
  desire(listed, settings);
  await expect.poll(() => listReferences(engine), WAIT).toEqual(['foreign', 'listed'].map(reference));
});

it('pausing cancels the pull that runs, and going on begins it anew', async () => {
  const { push, desire, startModule, waitForBytes, waitForPhases, waitForReady, requests, registry } =
    await startScene();
  await push('acme/app:1', ['app'], 900_000);
  registry.faults.bytesPerSecond = 150_000;
  desire({ app: 'acme/app:1' });
  startModule();
  await waitForBytes('acme/app', 50_000);
  desire({ app: 'acme/app:1', other: 'hello-world' }, { paused: true });
  await waitForPhases({ app: 'Waiting Paused', other: 'Waiting Paused' });
  desire({ app: 'acme/app:1', other: 'hello-world' });
  // The engine closes the connection of the first by and by.
  await expect.poll(() => requests('layers', 'acme/app'), WAIT).toHaveLength(2);
  registry.faults.bytesPerSecond = undefined;
  await waitForReady();
  expect(requests('layers', 'acme/app').map(({ bytes }) => bytes > 900_000)).toEqual([false, true]);
});

it('outside the window nothing is pulled but what PullImages asks for', async () => {
  const { push, desire, startModule, waitForPhases, waitForReady, call, image } = await startScene();
  await push('acme/app:1', ['app']);
  const hourFromNow = (hours: number): string => {
    const hour = (new Date().getUTCHours() + hours) % 24;
    return `${String(hour).padStart(2, '0')}:00`;
  };
  const images = { app: 'acme/app:1', hello: 'hello-world' };
  const closed = { start: hourFromNow(10), end: hourFromNow(12), timeZone: 'UTC' };
  desire(images, { pullWindow: closed });
  startModule();
  await waitForPhases({ app: 'Waiting OutsideWindow', hello: 'Waiting OutsideWindow' });
  expect(image('app')['message']).toContain(closed.start);
  expect(await call('PullImages', { images: ['app'] })).toMatchObject({ status: 202 });
  await waitForPhases({ app: 'Pulled', hello: 'Waiting OutsideWindow' });
  desire(images, { pullWindow: { start: hourFromNow(12), end: hourFromNow(10), timeZone: 'UTC' } });
  await waitForReady();
});

it('a disk with too little room lets nothing start, and what is there stays pulled', async () => {
  const { push, desire, startModule, waitForPhases, waitForReady, image } = await startScene();
  await push('acme/app:1', ['app']);
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  const images = { app: 'acme/app:1', hello: 'hello-world' };
  desire(images, { minFreeDiskMB: 100_000_000 });
  await waitForPhases({ app: 'Waiting LowDisk', hello: 'Pulled' });
  expect(image('app')['message']).toContain('minFreeDiskMB');
  desire(images);
  await waitForReady();
});

it('with one pull at a time the registry sees the images by priority, then by name', async () => {
  const { push, desire, startModule, waitForReady, requests } = await startScene();
  for (const name of ['a', 'b', 'c', 'd']) await push(`acme/${name}:1`, [`${name}1`, `${name}2`], 50_000);
  desire(
    {
      a: { image: 'acme/a:1', priority: -5 },
      d: { image: 'acme/d:1', priority: 0 },
      b: 'acme/b:1',
      c: { image: 'acme/c:1', priority: 100 },
    },
    { maxConcurrentPulls: 1 },
  );
  startModule();
  await waitForReady();
  const order = requests('layers').map(({ path }) => path.split('/')[3]);
  expect(order.join('')).toBe('ccbbddaa');
});

it('the log says more, and less, as soon as logLevel is changed', async () => {
  const { push, desire, startModule, waitForReady } = await startScene();
  await push('acme/app:1', ['app']);
  desire({ hello: 'hello-world' });
  const module = startModule();
  await waitForReady();
  expect(module.output).not.toContain('[DBG]');
  desire({ hello: 'hello-world' }, { logLevel: 'debug' });
  await expect.poll(() => module.output, WAIT).toContain('[DBG]');
  await waitForReady();

  desire({ hello: 'hello-world' }, { logLevel: 'error' });
  await waitForReady();
  const quietFrom = module.output.length;
  desire({ hello: 'hello-world', app: 'acme/app:1' }, { logLevel: 'error' });
  await waitForReady();
  expect(module.output.slice(quietFrom)).toBe('');
  desire({ hello: 'hello-world', app: 'acme/app:1' });
  await expect.poll(() => module.output.slice(quietFrom), WAIT).toContain('[INF]');
});
