import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/merge-patch';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage, StageOptions } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const FOLDERS = [
  ['without a storage folder', false],
  ['with a storage folder', true],
] as const;

/** A device that has been ready for a minute, with an image that was pulled twice, and whose module has ended. */
async function liveOnce(hasFolder: boolean) {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const folder = { memory: { store: createMemoryStore(), sealer: createFakeSealer() } };
  const options = { engine, ...(hasFolder ? folder : {}) };
  const { desire, clock, image, hub, stop } = startStage(options);
  await desire({ camera: CAMERA });
  await clock.advance(5000);
  engine.evict(CAMERA);
  await clock.advance(60_000);
  expect(image('camera')).toMatchObject({ phase: 'Pulled', evictions: 1 });
  await stop();
  hub.forget();
  return { options, hub, former: structuredClone(hub.reported) };
}

/** The next process, an hour later, before an engine whose listings take `listingMs`. */
function startLater(options: StageOptions & { readonly engine: FakeEngine }, listingMs: number): Stage {
  const stage = startStage({ startMs: Date.UTC(2026, 10, 24, 13), ...options });
  const { listImages } = options.engine;
  options.engine.listImages = async (signal) => {
    await stage.clock.sleep(listingMs, signal);
    return listImages(signal);
  };
  return stage;
}

/** Without what a start dates anew. */
const toLasting = ({ agent: _agent, registries: _registries, ...rest }: JsonObject): JsonObject => rest;

describe('while a start waits for an engine that is slow to answer, what is reported is what was before', () => {
  it.each(FOLDERS)('and its dates are when it has answered, %s', async (_, hasFolder) => {
    const { options, hub, former } = await liveOnce(hasFolder);
    const { clock } = startLater({ ...options, hub }, 4000);
    await clock.advance(300);
    hub.connect();
    await clock.advance(1000);
    hub.serve({ desired: hub.desired });
    expect(hub.reported).toEqual(former);
    await clock.advance(20_000);
    expect(toLasting(hub.reported)).toEqual(toLasting(former));
    expect(hub.reported['agent']).not.toEqual(former['agent']);
  });

  it.each(FOLDERS)('though the twin came when the first look had ended, %s', async (_, hasFolder) => {
    const { options, hub, former } = await liveOnce(hasFolder);
    const { clock } = startLater({ ...options, hub }, 2000);
    await clock.advance(3000);
    options.engine.put('somebody.example/elses:1');
    await clock.advance(200);
    hub.connect();
    await clock.advance(1000);
    expect(hub.reported).toEqual(former);
    await clock.advance(20_000);
    expect(toLasting(hub.reported)).toEqual(toLasting(former));
  });

  it('and never has the dates of the start, where it began from memory before edgeHub was reached', async () => {
    const { options, hub, former } = await liveOnce(true);
    const { clock, phases } = startLater({ ...options, hub }, 2000);
    await clock.advance(20_000);
    options.engine.put('somebody.example/elses:1');
    await clock.advance(200);
    hub.connect();
    const patches = hub.patches.length;
    await clock.advance(20_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(toLasting(hub.reported)).toEqual(toLasting(former));
    expect(JSON.stringify(hub.patches.slice(patches))).not.toContain('"readyAt":"2026-11-24T13:');
  });

  it('and is not emptied by desired properties that are refused, while what is remembered waits for its turn', async () => {
    const { options, hub, former } = await liveOnce(true);
    const { clock } = startLater({ ...options, hub }, 0);
    hub.connect();
    hub.serve({ desired: { $version: 2, schemaVersion: '2.0' } });
    await clock.advance(4000);
    expect(hub.reported).toEqual(former);
    await clock.advance(20_000);
    expect(hub.reported).toMatchObject({ images: former['images'], summary: former['summary'] });
    expect(hub.reported).toMatchObject({ lastDesiredStatus: { code: 412 } });
  });
});

it.each(FOLDERS)(
  'a start before an engine that does not answer says so, and has the dates again when it does, %s',
  async (_, hasFolder) => {
    const { options, hub, former } = await liveOnce(hasFolder);
    const { engine } = options;
    engine.isAway = true;
    const { clock, phases } = startLater({ ...options, hub }, 0);
    const { fetchInfo } = engine;
    engine.fetchInfo = async (signal) => {
      await clock.sleep(15_000, signal);
      return fetchInfo(signal);
    };
    hub.connect();
    await clock.advance(14_000);
    expect(hub.reported).toEqual(former);
    await clock.advance(40_000);
    expect(phases()).toEqual({ camera: 'Failed EngineUnavailable' });
    expect(hub.reported['summary']).not.toHaveProperty('readyAt');
    engine.isAway = false;
    await clock.advance(60_000);
    expect(toLasting(hub.reported)).toEqual(toLasting(former));
  },
);

it('desired properties that are refused are told though none were ever in force, and are until others were judged', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  const { clock, hub } = startLater({ engine }, 2000);
  hub.setDesired({ schemaVersion: '2.0' });
  await clock.advance(4000);
  const refused = structuredClone(hub.reported);
  expect(refused).toMatchObject({ lastDesiredStatus: { code: 412 }, summary: { ready: false, desired: 0 } });
  engine.put('somebody.example/elses:1');
  await clock.advance(200);
  hub.setDesired({ images: { camera: CAMERA } });
  await clock.advance(1000);
  expect(hub.reported).toEqual(refused);
  await clock.advance(5000);
  expect(hub.reported).toMatchObject({ lastDesiredStatus: { code: 200 }, summary: { desired: 1 } });
});

describe('methods, at a start before an engine that is slow to answer', () => {
  it.each([
    ['all that is desired', undefined],
    ['an image by name', { images: ['camera'] }],
  ])('pull %s', async (_, payload) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const { clock, call, desire, hub } = startLater({ engine }, 10_000);
    await clock.advance(300);
    await desire({ camera: CAMERA });
    const answer = await call('PullImages', payload);
    expect(answer).toMatchObject({ status: 202, payload: { images: ['camera'] } });
    const toTask = () => call('GetTaskStatus', answer.payload);
    expect(await toTask()).toMatchObject({ payload: { status: 'Running', images: { camera: 'Waiting' } } });
    await clock.advance(30_000);
    engine.pulls[0]?.finish();
    await clock.advance(30_000);
    expect(await toTask()).toMatchObject({ payload: { status: 'Completed', images: { camera: 'Pulled' } } });
    expect(hub.reported).toMatchObject({ summary: { ready: true } });
  });

  it('cancel what nothing was said of yet', async () => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const { clock, call, desire, phases } = startLater({ engine }, 10_000);
    await desire({ camera: CAMERA });
    expect(await call('CancelPulls')).toEqual({ status: 200, payload: { cancelled: ['camera'] } });
    await clock.advance(20_000);
    expect(phases()).toEqual({ camera: 'Failed Cancelled' });
  });
});

describe('while it is not known what is desired', () => {
  const REMAINING = ['ping', 'GetStatus'];
  it.each([
    ['GetStatus', { images: ['camera'] }],
    ['PullImages', undefined],
    ['PullImages', { images: ['camera'] }],
    ['CancelPulls', undefined],
    ['CheckRegistry', undefined],
    ['CheckRegistry', { registry: 'plant' }],
    ['PlanImages', { images: { camera: CAMERA } }],
  ])('%s %j is answered by 503, and does nothing', async (method, payload) => {
    const { options, hub } = await liveOnce(true);
    const { clock, call } = startStage({ ...options, hub });
    await clock.advance(1000);
    const calls = options.engine.calls.length;
    expect(await call(method, payload)).toMatchObject({
      status: 503,
      payload: { reason: 'DesiredUnknown', message: expect.stringContaining('desired properties') },
    });
    expect(options.engine.calls).toHaveLength(calls);
    for (const other of REMAINING) expect(await call(other)).toMatchObject({ status: 200 });
  });
});
