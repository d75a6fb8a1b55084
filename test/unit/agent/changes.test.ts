import { describe, expect, it } from 'vitest';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const GATE = `${ADDRESS}/acme/gate:1`;

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
