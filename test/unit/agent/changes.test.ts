import { describe, expect, it } from 'vitest';
import { AgentError } from '#core/reason';
import type { MethodAnswer } from '#agent/ports';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const GATE = `${ADDRESS}/acme/gate:1`;
const MOVED = `sha256:${'7'.repeat(64)}`;

/** An agent whose engine has `camera`, by a pull. */
async function startPulled(more: object = {}) {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const stage = startStage({ engine });
  const entry = { image: 'acme/camera:1', pullPolicy: 'if-not-present', ...more };
  await stage.desire({ camera: entry });
  const toPulls = () => engine.calls.filter((call) => call.startsWith('pull ')).length;
  expect(toPulls()).toBe(1);
  return { ...stage, entry, toPulls };
}

describe('a changed pullRequest has the image pulled once more', () => {
  it('where its tag changes with it, and the engine has that too', async () => {
    const { engine, desire, entry, toPulls } = await startPulled({ pullRequest: 1 });
    engine.put(`${ADDRESS}/acme/camera:2`);
    await desire({ camera: { ...entry, image: 'acme/camera:2', pullRequest: 2 } });
    expect(toPulls()).toBe(2);
  });

  it('where the entry that changed it was at fault, and was mended', async () => {
    const { desire, entry, phases, toPulls } = await startPulled({ pullRequest: 1 });
    await desire({ camera: { ...entry, pullRequest: 2, priority: 1000 } });
    expect(phases()).toEqual({ camera: 'Failed InvalidImage' });
    await desire({ camera: { ...entry, pullRequest: 2, priority: 100 } });
    expect(toPulls()).toBe(2);
  });

  it('when the registry is back that was away at first', async () => {
    const { engine, desire, entry, phases, image, clock } = await startPulled({ pullRequest: 1 });
    engine.serve(CAMERA, { digest: MOVED });
    engine.failures.set(CAMERA, 'RegistryUnreachable');
    await desire({ camera: { ...entry, pullRequest: 2 } });
    expect(phases()).toEqual({ camera: 'Failed RegistryUnreachable' });
    const { attempts } = image('camera');
    await clock.advance(5000);
    expect(image('camera')['attempts']).toBe(attempts);
    engine.failures.delete(CAMERA);
    await clock.advance(3_600_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });

  it('when the password is known that was refused at first', async () => {
    const { engine, desire, entry, image, clock } = await startPulled({ pullRequest: 1 });
    engine.serve(CAMERA, { digest: MOVED });
    engine.passwords.set(ADDRESS, { device: 'other' });
    const plant = { address: ADDRESS, username: 'device', password: 'two' };
    await desire({ camera: { ...entry, pullRequest: 2 } }, {}, { registryCredentials: { plant } });
    engine.passwords.set(ADDRESS, { device: 'two' });
    await clock.advance(3_600_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });

  it('when the engine is back that was away at first', async () => {
    const { engine, desire, entry, image, clock } = await startPulled({ pullRequest: 1 });
    engine.serve(CAMERA, { digest: MOVED });
    engine.isAway = true;
    engine.endEvents();
    await clock.advance(10_000);
    await desire({ camera: { ...entry, pullRequest: 2 } });
    engine.isAway = false;
    await clock.advance(3_600_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });

  it('after a restart too, where it waited for the window', async () => {
    const engine = createFakeEngine();
    const memory = { store: createMemoryStore(), sealer: createFakeSealer() };
    engine.pullsFinishAtOnce = true;
    const settings = { pullWindow: { start: '22:00', end: '05:30', timeZone: 'UTC' } };
    const entry = { image: 'acme/camera:1', pullPolicy: 'if-not-present', pullRequest: 1 };
    engine.put(CAMERA);
    const first = startStage({ engine, memory });
    await first.desire({ camera: entry }, settings);
    engine.serve(CAMERA, { digest: MOVED });
    await first.desire({ camera: { ...entry, pullRequest: 2 } }, settings);
    expect(first.phases()).toEqual({ camera: 'Waiting OutsideWindow' });
    await first.clock.advance(5000);
    await first.stop();
    const second = startStage({ engine, memory });
    second.hub.serve({ desired: first.hub.desired, reported: first.hub.reported });
    await second.clock.advance(24 * 3_600_000);
    expect(second.image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });
});

describe('what is asked for while an image is pulled is done after it, for its tag may have moved', () => {
  const image = (pullRequest: number, priority = 0) => ({ camera: { image: CAMERA, pullRequest, priority } });
  const settings = { refreshIntervalSeconds: 0 };

  it.each<[string, (stage: Stage) => Promise<unknown>]>([
    ['a change of the desired properties', ({ desire }) => desire(image(1, 3), settings)],
    ['pullRequest', ({ desire }) => desire(image(2), settings)],
    ['PullImages', ({ call }) => call('PullImages', { images: ['camera'], force: true })],
  ])('%s', async (_, ask) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const stage = startStage({ engine });
    await stage.desire(image(1), settings);
    const [pull] = engine.pulls;
    await ask(stage);
    // It brings what the tag was when it began.
    engine.pullsFinishAtOnce = true;
    pull?.finish();
    engine.serve(CAMERA, { digest: MOVED });
    await stage.clock.advance(60_000);
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });
});

it.each([
  ['without a storage folder', false],
  ['with one', true],
])('readyAt stays over a restart %s', async (_, hasFolder) => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const memory = hasFolder ? { memory: { store: createMemoryStore(), sealer: createFakeSealer() } } : {};
  const first = startStage({ engine, ...memory });
  await first.desire({ camera: CAMERA });
  await first.clock.advance(5000);
  const { readyAt, setDigest } = Object(first.hub.reported['summary']);
  await first.stop();
  const second = startStage({ engine, ...memory });
  // What is remembered is in force before edgeHub comes.
  await second.clock.advance(20_000);
  second.hub.serve({ desired: first.hub.desired, reported: first.hub.reported });
  await second.clock.advance(5000);
  expect(second.hub.reported['summary']).toMatchObject({ ready: true, setDigest, readyAt });
});

describe('an answer about an image that is desired no more says nothing of the one that took its place', () => {
  it('where its tag was being compared', async () => {
    const { engine, desire, clock, image, toPulls } = await startPulled({ pullPolicy: 'always' });
    engine.put(GATE);
    const { fetchManifest } = engine;
    const { promise, resolve } = Promise.withResolvers<void>();
    engine.fetchManifest = async (...question) => {
      engine.fetchManifest = fetchManifest;
      const answer = await fetchManifest(...question);
      await promise;
      return answer;
    };
    await clock.advance(3_600_000);
    await desire({ camera: { image: GATE, pullPolicy: 'always' } });
    resolve();
    await clock.advance(60_000);
    expect(image('camera')).toMatchObject({ image: GATE, phase: 'Pulled' });
    expect(toPulls()).toBe(1);
  });

  it('where it was being asked what it holds', async () => {
    const engine = createFakeEngine();
    engine.pullsFinishAtOnce = true;
    engine.serve(GATE);
    const relay = createFakeRelay(engine);
    const { fetchContent } = relay;
    const { promise, resolve } = Promise.withResolvers<void>();
    relay.fetchContent = async (question) => {
      relay.fetchContent = fetchContent;
      await promise;
      return fetchContent(question);
    };
    const { desire, clock, hub, image, phases } = startStage({ engine, relay: () => relay });
    await desire({ camera: CAMERA });
    await desire({ camera: GATE }, { pullWindow: { start: '22:00', end: '05:30' } });
    resolve();
    await clock.advance(5000);
    expect(phases()).toEqual({ camera: 'Waiting OutsideWindow' });
    expect(image('camera')).not.toHaveProperty('attempts');
    expect(hub.sent).toEqual([]);
  });
});

describe('a refusal of a password that was replaced under its name since counts for nothing', () => {
  const plant = { address: ADDRESS, username: 'device', password: 'two' };
  const refusal = new AgentError('Unauthorized', 'authentication required');

  it('where an image was being pulled', async () => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const { desire, hub, clock, phases, image } = startStage({ engine });
    await desire({ camera: CAMERA });
    const [pull] = engine.pulls;
    engine.passwords.set(ADDRESS, { device: 'two' });
    await desire({ camera: CAMERA }, {}, { registryCredentials: { plant } });
    pull?.fail(refusal);
    await clock.advance(3000);
    expect(phases()).toEqual({ camera: 'Pulling' });
    expect(image('camera')).not.toHaveProperty('attempts');
    expect(hub.sent).toEqual([]);
  });

  it('where a tag was being compared', async () => {
    const { engine, desire, clock, logs, hub } = await startPulled({ pullPolicy: 'always' });
    const { fetchManifest } = engine;
    const { promise, reject } = Promise.withResolvers<never>();
    engine.fetchManifest = () => {
      engine.fetchManifest = fetchManifest;
      return promise;
    };
    await clock.advance(3_600_000);
    engine.passwords.set(ADDRESS, { device: 'two' });
    await desire({ camera: { image: CAMERA, pullPolicy: 'always' } }, {}, { registryCredentials: { plant } });
    reject(refusal);
    await clock.advance(5000);
    expect(logs.filter((line) => line.includes('not compared'))).toEqual([]);
    expect(hub.reported).toMatchObject({ summary: { ready: true } });
  });

  it('where it was being asked what an image holds', async () => {
    const engine = createFakeEngine();
    engine.pullsFinishAtOnce = true;
    engine.serve(CAMERA);
    const relay = createFakeRelay(engine);
    const { fetchContent } = relay;
    const { promise, reject } = Promise.withResolvers<never>();
    relay.fetchContent = () => {
      relay.fetchContent = fetchContent;
      return promise;
    };
    const { desire, clock, phases, hub } = startStage({ engine, relay: () => relay });
    await desire({ camera: CAMERA });
    engine.passwords.set(ADDRESS, { device: 'two' });
    await desire({ camera: CAMERA }, {}, { registryCredentials: { plant } });
    reject(refusal);
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.sent.map(({ properties }) => properties)).not.toContainEqual({ event: 'ImagePullFailed' });
  });
});

it('a login that failed is tried at once when the desired properties change, however long it would wait', async () => {
  const { engine, desire, phases } = startStage();
  const settings = { retryInitialSeconds: 3600, retryMaxSeconds: 3600 };
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  engine.failures.set(ADDRESS, 'RegistryUnreachable');
  await desire({ camera: CAMERA }, settings);
  expect(phases()).toEqual({ camera: 'Failed RegistryUnreachable' });
  engine.failures.clear();
  await desire({ camera: { image: CAMERA, priority: 1 } }, settings);
  expect(phases()).toEqual({ camera: 'Pulled' });
});

it('the same document with its keys in another order is no change', async () => {
  const { hub, clock, desire, call, phases } = startStage();
  await desire({ camera: 'acme/camera:1', gate: 'acme/gate:1' });
  await call('CancelPulls', { images: ['camera'] });
  await clock.advance(2000);
  const { images, ...others } = hub.desired as { images: Record<string, string> };
  const turned = Object.fromEntries(Object.entries(images).toReversed());
  hub.serve({ desired: { images: turned, ...others } });
  await clock.advance(2000);
  expect(phases()).toMatchObject({ camera: 'Failed Cancelled' });
});

it('an entry that was at fault for a while has the dates that it had', async () => {
  const { desire, entry, image, clock, phases } = await startPulled();
  const { pulledAt } = image('camera');
  await clock.advance(3_600_000);
  await desire({ camera: { ...entry, priority: 1000 } });
  await clock.advance(1000);
  await desire({ camera: entry });
  expect(phases()).toEqual({ camera: 'Pulled' });
  expect(image('camera')['pulledAt']).toBe(pulledAt);
});

it('a registry whose entry is at fault is reported with the fault', async () => {
  const { desire, hub } = startStage();
  await desire({}, {}, { registryCredentials: { plant: { address: 'http://plant' }, 'not a key': {} } });
  expect(hub.reported['registries']).toEqual({
    plant: {
      address: '',
      login: 'Failed',
      reason: 'UnknownRegistry',
      message: expect.stringContaining('registryCredentials.plant.address: must be host[:port]'),
    },
  });
});

it('while other desired properties wait for a slow engine, all that is reported is of those before', async () => {
  const engine = createFakeEngine();
  engine.pullsFinishAtOnce = true;
  engine.serve(CAMERA);
  engine.serve(GATE);
  const { desire, hub, clock, image } = startStage({ engine });
  await desire({ camera: CAMERA, gate: GATE });
  await clock.advance(5000);
  const before = structuredClone(hub.reported);
  const { listImages } = engine;
  engine.listImages = async (signal) => {
    await clock.sleep(5000, signal);
    return listImages(signal);
  };
  engine.put('somebody.example/elses:1');
  await desire({ camera: `${ADDRESS}/acme/camera:2` }, {}, { registryCredentials: {} });
  await clock.advance(2000);
  expect(hub.reported).toEqual(before);
  await clock.advance(10_000);
  expect(hub.reported).toMatchObject({ lastDesiredVersion: 2, summary: { desired: 1, ready: false } });
  expect(image('camera')).toMatchObject({ image: `${ADDRESS}/acme/camera:2`, phase: 'Failed' });
});

it('what a twin says that was made anew is taken, though the one that is remembered had a higher $version', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.serve(GATE);
  engine.pullsFinishAtOnce = true;
  const memory = { store: createMemoryStore(), sealer: createFakeSealer() };
  const first = startStage({ engine, memory });
  await first.desire({ camera: CAMERA }, {}, { $version: 42 });
  await first.clock.advance(5000);
  await first.stop();
  const second = startStage({ engine, memory });
  await second.clock.advance(6000);
  await second.desire({ gate: GATE }, {}, { $version: 2 });
  await second.clock.advance(5000);
  expect(second.phases()).toEqual({ gate: 'Pulled' });
  expect(second.hub.reported['lastDesiredVersion']).toBe(2);
  await second.desire({ camera: CAMERA }, {}, { $version: 1 });
  expect(second.phases()).toEqual({ gate: 'Pulled' });
});

it('a tagging after which the engine does not list the name fails, and is tried again with backoff', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const { desire, clock, phases, image } = startStage({ engine });
  const { tag } = engine;
  engine.tag = async (id, target, signal) => tag(id, { ...target, registry: 'other.example' }, signal);
  await desire({ camera: { image: CAMERA, tagAs: ['contoso.azurecr.io/acme/camera:1'] } });
  await clock.advance(60_000);
  expect(phases()).toEqual({ camera: 'Failed Unknown' });
  expect(image('camera')['message']).toContain('contoso.azurecr.io/acme/camera:1');
  expect(engine.calls.filter((call) => call.startsWith('tag ')).length).toBeLessThan(6);
});

it('two images that the engine knows without a registry’s digest are no same set', async () => {
  const sets = new Set<unknown>();
  for (const digit of ['a', 'b']) {
    const engine = createFakeEngine();
    const loaded = {
      id: `sha256:${digit.repeat(64)}`,
      tags: [CAMERA],
      digests: [],
      sizeBytes: 5,
      diffIds: [],
    };
    engine.listImages = async () => [loaded];
    engine.inspectImage = async () => ({ ...loaded, platform: engine.info.platform });
    const { desire, clock, hub, phases } = startStage({ engine });
    await desire({ camera: { image: CAMERA, pullPolicy: 'if-not-present' } });
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    sets.add(hub.reported['summary'] && Object(hub.reported['summary'])['setDigest']);
  }
  expect(sets.size).toBe(2);
});

it('an image that came through the relay is still said to have, after a restart without a storage folder', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const first = startStage({ engine, relay: createFakeRelay });
  await first.desire({ camera: CAMERA });
  await first.clock.advance(2000);
  expect(first.image('camera')).toMatchObject({ phase: 'Pulled', transport: 'relay' });
  await first.stop();
  const second = startStage({ engine, relay: createFakeRelay });
  second.hub.serve({ desired: first.hub.desired, reported: first.hub.reported });
  await second.clock.advance(3000);
  expect(second.image('camera')).toMatchObject({ phase: 'Pulled', transport: 'relay' });
});

describe('a restart without a folder, of an image that the engine knows without a registry’s digest', () => {
  async function liveOnce() {
    const engine = createFakeEngine();
    engine.put(CAMERA);
    const { listImages } = engine;
    engine.listImages = async (signal) =>
      (await listImages(signal)).map((image) => ({ ...image, digests: [] }));
    const first = startStage({ engine });
    await first.desire({ camera: { image: CAMERA, pullPolicy: 'if-not-present' } });
    await first.clock.advance(5000);
    const { pulledAt, ...entry } = first.image('camera');
    expect(entry).not.toHaveProperty('digest');
    await first.stop();
    return { engine, hub: first.hub, pulledAt };
  }

  function startLater({ engine, hub }: Awaited<ReturnType<typeof liveOnce>>) {
    hub.forget();
    const stage = startStage({ engine, hub, startMs: Date.UTC(2026, 10, 24, 15) });
    hub.connect();
    return stage;
  }

  it('dates it as before, and anew when another takes its place', async () => {
    const before = await liveOnce();
    const { clock, image } = startLater(before);
    await clock.advance(20_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', pulledAt: before.pulledAt });
    before.engine.serve(CAMERA, { digest: MOVED, id: MOVED });
    before.engine.put(CAMERA);
    await clock.advance(20_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled' });
    expect(image('camera')['pulledAt']).toMatch(/^2026-11-24T15:/);
  });

  it('counts that it went meanwhile', async () => {
    const before = await liveOnce();
    before.engine.evict(CAMERA);
    before.engine.serve(CAMERA);
    before.engine.pullsFinishAtOnce = true;
    const { clock, image } = startLater(before);
    await clock.advance(20_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', evictions: 1 });
    expect(image('camera')['pulledAt']).toMatch(/^2026-11-24T15:/);
  });
});

it('a restart dates no image anew, nor has it come another way, where the document was cut for size', async () => {
  const engine = createFakeEngine();
  engine.pullsFinishAtOnce = true;
  const images = Object.fromEntries(
    Array.from({ length: 180 }, (_, i) => [`image-${i}`, `${ADDRESS}/acme/a-long-name-of-an-image-${i}:1`]),
  );
  // The engine fetches nothing again where it gives an image its name: it knows the digests of all.
  for (const reference of Object.values(images)) engine.serve(reference, { layers: {} });
  const first = startStage({ engine, relay: createFakeRelay });
  await first.desire(images);
  await first.clock.advance(600_000);
  expect(first.image('image-7')).toMatchObject({ phase: 'Pulled', transport: 'relay' });
  expect(first.image('image-7')).not.toHaveProperty('pulledAt');
  expect(first.hub.reported).not.toHaveProperty('omitted');
  await first.stop();
  engine.evict(images['image-8'] ?? '');
  const second = startStage({ engine, relay: createFakeRelay });
  await second.clock.advance(3_600_000);
  second.hub.serve({ desired: first.hub.desired, reported: first.hub.reported });
  await second.clock.advance(60_000);
  const { 'image-8': evicted, ...others } = Object(second.hub.reported['images']);
  const { 'image-8': _before, ...before } = Object(first.hub.reported['images']);
  expect(others).toEqual(before);
  expect(evicted).toMatchObject({ phase: 'Pulled', transport: 'relay', evictions: 1 });
  const { payload } = await second.call('GetStatus', { images: ['image-7', 'image-8'] });
  expect(Object(payload).images['image-7']).not.toHaveProperty('pulledAt');
  expect(Object(payload).images['image-8']).toHaveProperty('pulledAt');
});

it.each([true, false])(
  'an image that is left out for its name counts as failed, and nothing is ready until it is mended (others: %s)',
  async (hasOthers) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.serve(GATE);
    engine.pullsFinishAtOnce = true;
    const { desire, clock, hub, phases } = startStage({ engine });
    const others = hasOthers ? { camera: CAMERA } : {};
    await desire({ ...others, 'acme/gate': GATE });
    await clock.advance(10_000);
    const { length: pulled } = Object.keys(others);
    expect(hub.reported['summary']).toEqual({
      ready: false,
      desired: pulled + 1,
      pulled,
      pulling: 0,
      waiting: 0,
      failed: 1,
    });
    expect(Object.keys(phases())).toEqual(Object.keys(others));
    expect(hub.reported['lastDesiredStatus']).toMatchObject({
      code: 400,
      description: expect.stringMatching(/^images\."acme\/gate": the name of an entry must be/),
    });
    await desire({ ...others, gate: GATE });
    await clock.advance(10_000);
    expect(hub.reported['summary']).toMatchObject({ ready: true, desired: pulled + 1, failed: 0 });
  },
);

it('something is reported, however many registries are listed', async () => {
  const { desire, hub, clock } = startStage();
  const registryCredentials = Object.fromEntries(
    Array.from({ length: 900 }, (_, i) => [`r${i}`, { address: `p${i}.x` }]),
  );
  await desire({}, {}, { registryCredentials });
  await clock.advance(10_000);
  expect(hub.reported['lastDesiredVersion']).toBe(1);
  expect(Object.keys(Object(hub.reported['registries'])).length).toBeGreaterThan(100);
});

describe('what is asked for while a tag is compared is done after that', () => {
  it.each<[string, (stage: Stage) => Promise<unknown>]>([
    ['PullImages', ({ call }) => call('PullImages', { images: ['camera'] })],
    [
      'a change of the desired properties',
      ({ desire }) => desire({ camera: { image: CAMERA, priority: 3 } }),
    ],
  ])('%s', async (_, ask) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const stage = startStage({ engine });
    await stage.desire({ camera: CAMERA });
    const { fetchManifest } = engine;
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    engine.fetchManifest = async (...question) => {
      const answer = await fetchManifest(...question);
      if ((asked += 1) === 1) await promise;
      return answer;
    };
    // The refresh is due, with its jitter.
    await stage.clock.advance(3_600_000 * 0.95);
    expect(asked).toBe(1);
    engine.serve(CAMERA, { digest: MOVED, id: MOVED });
    await ask(stage);
    resolve();
    await stage.clock.advance(60_000);
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest: MOVED });
  });
});

describe('what is asked for while an image is pulled is done after that pull, though it fails', () => {
  const settings = { retryInitialSeconds: 900, retryMaxSeconds: 900 };

  it.each<[string, (stage: Stage) => Promise<unknown>]>([
    ['PullImages', ({ call }) => call('PullImages', { force: true })],
    [
      'a change of the desired properties',
      ({ desire }) => desire({ camera: { image: CAMERA, priority: 3 } }, settings),
    ],
  ])('%s', async (_, ask) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const stage = startStage({ engine });
    await stage.desire({ camera: CAMERA }, settings);
    const [pull] = engine.pulls;
    await ask(stage);
    pull?.fail(new AgentError('Corrupt', 'unexpected EOF'));
    engine.pullsFinishAtOnce = true;
    await stage.clock.advance(60_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });
});

it('a pullRequest that waits for the window outlives a change of the tag', async () => {
  const engine = createFakeEngine();
  engine.put(CAMERA);
  engine.put(`${ADDRESS}/acme/camera:2`);
  engine.pullsFinishAtOnce = true;
  const { desire, clock, phases } = startStage({ engine });
  const settings = { pullWindow: { start: '22:00', end: '05:30', timeZone: 'UTC' } };
  const entry = { image: CAMERA, pullPolicy: 'if-not-present', pullRequest: 1 };
  await desire({ camera: entry }, settings);
  await desire({ camera: { ...entry, pullRequest: 2 } }, settings);
  expect(phases()).toEqual({ camera: 'Waiting OutsideWindow' });
  await desire({ camera: { ...entry, image: `${ADDRESS}/acme/camera:2`, pullRequest: 2 } }, settings);
  await clock.advance(24 * 3_600_000);
  expect(engine.calls.filter((call) => call.startsWith('pull '))).toHaveLength(1);
});

describe('PullImages comes to its end', () => {
  const statusOf = async ({ call }: Stage, { payload }: MethodAnswer): Promise<unknown> => {
    const { correlationId } = Object(payload);
    return Object((await call('GetTaskStatus', { correlationId })).payload).status;
  };

  it('where an entry that was well is at fault, and is not remembered when that is mended', async () => {
    const { engine, desire, call, clock, entry, toPulls, ...stage } = await startPulled();
    await desire({ camera: { ...entry, priority: 1000 } });
    const answer = await call('PullImages', { force: true });
    await clock.advance(60_000);
    expect(await statusOf({ ...stage, engine, desire, call, clock }, answer)).toBe('Failed');
    await desire({ camera: entry });
    await clock.advance(60_000);
    expect(toPulls()).toBe(1);
  });

  it('where the registry cannot be asked, though the image is here', async () => {
    const { engine, call, clock, ...stage } = await startPulled({ pullPolicy: 'always' });
    engine.failures.set(CAMERA, 'RegistryError');
    const answer = await call('PullImages');
    await clock.advance(5000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    expect(await statusOf({ ...stage, engine, call, clock }, answer)).toBe('Failed');
  });

  it('where all is here already, and nothing is compared', async () => {
    const { call, clock, toPulls, ...stage } = await startPulled();
    await clock.advance(60_000);
    const answer = await call('PullImages');
    await clock.advance(1000);
    expect(await statusOf({ ...stage, call, clock }, answer)).toBe('Completed');
    expect(toPulls()).toBe(1);
  });

  it('where the engine goes away before its turn comes, and is not remembered when that is back', async () => {
    const { engine, desire, call, clock, entry, toPulls, ...stage } = await startPulled();
    await desire({ camera: entry }, { paused: true });
    const answer = await call('PullImages', { force: true });
    await clock.advance(1000);
    expect(await statusOf({ ...stage, engine, desire, call, clock }, answer)).toBe('Running');
    engine.isAway = true;
    engine.endEvents();
    await clock.advance(10_000);
    expect(await statusOf({ ...stage, engine, desire, call, clock }, answer)).toBe('Failed');
    engine.isAway = false;
    await clock.advance(10_000);
    await desire({ camera: entry });
    await clock.advance(60_000);
    expect(toPulls()).toBe(1);
  });

  it.each([
    ['pulled', false],
    ['compared', true],
  ])('where the passwords are not known with which it would be %s', async (_, isHere) => {
    const sealer = createFakeSealer();
    const memory = { store: createMemoryStore(), sealer };
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const first = startStage({ engine, memory });
    await first.desire({ camera: CAMERA });
    await first.clock.advance(5000);
    await first.stop();
    sealer.isAway = true;
    if (!isHere) engine.evict(CAMERA);
    const second = startStage({ engine, memory });
    second.hub.disconnect();
    await second.clock.advance(20_000);
    const answer = await second.call('PullImages');
    await second.clock.advance(60_000);
    expect(await statusOf(second, answer)).toBe('Failed');
  });
});

it('an image of the containerd store that is given one more platform was not gone meanwhile', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.serve(GATE);
  engine.put(CAMERA);
  const held = ['arm64'];
  const { listImages } = engine;
  engine.listImages = async (signal) =>
    (await listImages(signal)).map((image) => {
      const architectures = image.tags.includes(CAMERA) ? [...held] : ['amd64'];
      return { ...image, platforms: architectures.map((architecture) => ({ os: 'linux', architecture })) };
    });
  const { desire, clock, phases, image } = startStage({ engine, random: 0.5 });
  await desire({ camera: CAMERA, gate: GATE });
  const [camera] = engine.pulls;
  camera?.layer('one', { kind: 'downloading', currentBytes: 1, totalBytes: 2 });
  await clock.advance(5000);
  engine.pulls.find(({ reference }) => reference === GATE)?.finish();
  await clock.advance(500);
  held.push('amd64');
  camera?.finish();
  await clock.advance(60_000);
  expect(phases()).toEqual({ camera: 'Pulled', gate: 'Pulled' });
  expect(image('camera')).not.toHaveProperty('evictions');
});

describe('what is asked for while a login fails is done after it', () => {
  async function startHanging() {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const { login } = engine;
    const { promise, reject } = Promise.withResolvers<void>();
    engine.login = () => promise;
    const stage = startStage({ engine });
    await stage.desire({ camera: CAMERA });
    const fail = (): void => {
      engine.login = login;
      reject(new AgentError('RegistryUnreachable', 'no route'));
    };
    return { stage, fail };
  }

  it.each<[string, (stage: Stage) => Promise<unknown>]>([
    ['PullImages', ({ call }) => call('PullImages')],
    [
      'a change of the desired properties',
      ({ desire }) => desire({ camera: { image: CAMERA, priority: 3 } }),
    ],
  ])('%s', async (_, ask) => {
    const { stage, fail } = await startHanging();
    await ask(stage);
    fail();
    await stage.clock.advance(1000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });
});

it('a task tells what came of its own pull, though a login fails meanwhile', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  const { desire, call, clock, phases, hub } = startStage({ engine, random: 0.5 });
  await desire({ camera: CAMERA }, { refreshIntervalSeconds: 60, stallTimeoutSeconds: 3600 });
  engine.pulls[0]?.finish();
  await clock.advance(1000);
  const { payload } = await call('PullImages', { force: true });
  await clock.advance(1000);
  engine.failures.set(ADDRESS, 'RegistryUnreachable');
  await clock.advance(100_000);
  expect(phases()).toEqual({ camera: 'Pulling' });
  expect(hub.reported['registries']).toMatchObject({ plant: { login: 'Failed' } });
  engine.failures.delete(ADDRESS);
  engine.pulls[0]?.finish();
  await clock.advance(1000);
  const { correlationId } = Object(payload);
  expect((await call('GetTaskStatus', { correlationId })).payload).toMatchObject({ status: 'Completed' });
});

it('an entry that is at fault while the clock is set back waits no longer for its turn', async () => {
  const { engine, desire, entry, clock, phases } = await startPulled();
  engine.evict(CAMERA);
  await clock.advance(7000);
  await desire({ camera: { ...entry, priority: 1000 } }, { retryInitialSeconds: 60 });
  clock.jump(-30 * 86_400_000);
  await clock.advance(1000);
  await desire({ camera: entry }, { retryInitialSeconds: 60 });
  await clock.advance(120_000);
  expect(phases()).toEqual({ camera: 'Pulled' });
});
