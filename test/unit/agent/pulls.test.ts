import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { ADDRESS, startStage } from '#test/unit/agent/stage';

test('a pull is handed what the registry’s entry says: the accepted credential and the authority', async () => {
  const { engine, desire } = startStage();
  engine.passwords.set(ADDRESS, { device: 'two' });
  engine.serve(`${ADDRESS}/app:1`);
  const ca = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
  const plant = { address: ADDRESS, username: 'device', password: 'one', password2: 'two', ca };
  await desire({ app: { image: `${ADDRESS}/app:1` } }, {}, { registryCredentials: { plant } });
  expect(engine.pulls[0]?.request).toMatchObject({ ca, credential: { name: 'password2' } });
});

test('a pull from a registry that no entry lists is anonymous', async () => {
  const { engine, desire } = startStage();
  engine.serve('other.example:5000/app:1');
  await desire({ app: { image: 'other.example:5000/app:1' } });
  expect(engine.pulls[0]?.request.credential).toBeUndefined();
  expect(engine.pulls[0]?.request.ca).toBeUndefined();
});

test('a pull that ended is told of as it was until a pass has looked at what it brought', async () => {
  const fake = createFakeEngine();
  const { fetchFreeBytes } = fake;
  let isBusy = false;
  fake.fetchFreeBytes = async (signal) => {
    if (isBusy) await once(signal, 'abort');
    return fetchFreeBytes(signal);
  };
  const { engine, desire, call, clock } = startStage({ engine: fake });
  engine.serve(`${ADDRESS}/app:1`);
  await desire({ app: `${ADDRESS}/app:1` });
  engine.pulls[0]?.layer('a', { kind: 'downloading', currentBytes: 1000, totalBytes: 1000 });
  engine.pulls[0]?.layer('a', { kind: 'pulled' });
  isBusy = true;
  engine.pulls[0]?.finish();
  await clock.advance(1000);
  const { payload } = await call('GetStatus');
  expect(payload).toMatchObject({
    images: { app: { phase: 'Pulling', percent: 99, downloadedBytes: 1000, totalBytes: 1000 } },
  });
});

test('while an engine waits to ask again for what is left of an image, the next one is pulled', async () => {
  const { engine, desire, clock } = startStage();
  engine.serve(`${ADDRESS}/a:1`);
  engine.serve(`${ADDRESS}/b:1`);
  await desire({ a: `${ADDRESS}/a:1`, b: `${ADDRESS}/b:1` }, { maxConcurrentPulls: 1 });
  engine.pulls[0]?.layer('aaa', { kind: 'downloading', currentBytes: 1, totalBytes: 2 });
  await clock.settle();
  expect(engine.pulls).toHaveLength(1);
  engine.pulls[0]?.layer('aaa', { kind: 'retrying' });
  await clock.settle();
  expect(engine.pulls.map(({ request }) => request.reference.repository)).toEqual(['a', 'b']);
});

test('where an engine waits for answers longer than for bytes, more images are asked for than may be fetched', async () => {
  const { engine, desire, clock } = startStage();
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) engine.serve(`${ADDRESS}/${name}:1`);
  const images = Object.fromEntries(names.map((name) => [name, `${ADDRESS}/${name}:1`]));
  const inFlight = (): string[] => engine.pulls.map(({ request }) => request.reference.repository);
  await desire(images, { maxConcurrentPulls: 1 });
  for (const name of ['a', 'b']) {
    expect(inFlight()).toEqual([name]);
    await clock.advance(500);
    engine.pulls[0]?.layer(name, { kind: 'downloading', currentBytes: 5, totalBytes: 5 });
    await clock.advance(100);
    engine.pulls[0]?.layer(name, { kind: 'downloaded' });
    await clock.settle();
    // It only unpacks, and the next one is asked for beside it.
    engine.pulls[0]?.finish();
    await clock.settle();
  }
  expect(inFlight()).toEqual(['c', 'd', 'e']);
});
