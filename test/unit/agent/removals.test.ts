import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/merge-patch';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage, StageOptions } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const CLOUD = 'contoso.azurecr.io/acme/camera:1';

/** An agent that pulled `camera` under two names and `gate`, which alone is still desired. */
async function startWithOld(options: StageOptions = {}): Promise<Stage> {
  const stage = startStage(options);
  const { engine, desire, clock } = stage;
  engine.serve(CAMERA);
  engine.serve(`${ADDRESS}/acme/gate:1`);
  engine.pullsFinishAtOnce = true;
  await desire({ camera: { image: 'acme/camera:1', tagAs: [CLOUD] }, gate: 'acme/gate:1' });
  await clock.advance(5000);
  expect(stage.phases()).toEqual({ camera: 'Pulled', gate: 'Pulled' });
  await desire({ gate: 'acme/gate:1' });
  await clock.advance(5000);
  return stage;
}

const listTags = async ({ engine }: Stage): Promise<string[]> =>
  (await engine.listImages(new AbortController().signal)).flatMap(({ tags }) => tags).toSorted();

async function remove(stage: Stage, ...images: unknown[]): Promise<JsonObject> {
  const { status, payload } = await stage.call('RemoveImages', { images });
  return { status, ...(payload as JsonObject) };
}

describe('RemoveImages', () => {
  it('removes all that was pulled under a name', async () => {
    const stage = await startWithOld();
    const { removed, ...rest } = await remove(stage, 'camera');
    expect(rest).toEqual({ status: 200, kept: {} });
    expect(removed).toEqual(expect.arrayContaining([CAMERA, CLOUD]));
    expect(await listTags(stage)).toEqual([`${ADDRESS}/acme/gate:1`]);
  });

  it('removes one reference, as images are written, and leaves the others of the same image', async () => {
    const stage = await startWithOld();
    expect(await remove(stage, 'acme/camera:1')).toEqual({ status: 200, removed: [CAMERA], kept: {} });
    expect(await listTags(stage)).toEqual([`${ADDRESS}/acme/gate:1`, CLOUD]);
    expect(await remove(stage, CAMERA)).toMatchObject({
      removed: [],
      kept: { [CAMERA]: 'The engine does not have it.' },
    });
  });

  it.each(['gate', 'acme/gate:1', `${ADDRESS}/acme/gate:1`])(
    'removes nothing at all where %s is among what is asked, which is desired',
    async (word) => {
      const stage = await startWithOld();
      const before = await listTags(stage);
      const answer = await remove(stage, 'camera', word);
      expect(answer).toMatchObject({ status: 409, reason: 'StillDesired' });
      expect(answer['message']).toContain('images.gate');
      expect(await listTags(stage)).toEqual(before);
    },
  );

  it('keeps what it did not pull, what a container uses, and another name of what is desired', async () => {
    const stage = await startWithOld();
    const { engine } = stage;
    engine.put(`${ADDRESS}/acme/foreign:1`);
    expect(await remove(stage, 'acme/foreign:1')).toMatchObject({
      kept: { [`${ADDRESS}/acme/foreign:1`]: 'This module did not pull it.' },
    });
    const camera = await engine.inspectImage(CAMERA, new AbortController().signal);
    engine.idsInUse.add(camera?.id ?? '');
    expect(await remove(stage, 'acme/camera:1')).toMatchObject({
      kept: { [CAMERA]: 'A container uses it.' },
    });
    engine.idsInUse.clear();
    await engine.tag(
      `${ADDRESS}/acme/gate:1`,
      { registry: ADDRESS, repository: 'acme/camera', tag: '1' },
      new AbortController().signal,
    );
    expect(await remove(stage, 'acme/camera:1')).toMatchObject({
      kept: { [CAMERA]: 'It is the same image as gate, which is desired.' },
    });
  });

  it('keeps everything while an entry is at fault, which may mean anything', async () => {
    const stage = await startWithOld();
    await stage.desire({ gate: 'acme/gate:1', wrong: 'Not/A/Reference' });
    expect(await remove(stage, 'acme/camera:1')).toMatchObject({
      removed: [],
      kept: { [CAMERA]: 'images.wrong is at fault, and may mean it.' },
    });
    await stage.desire({ gate: 'acme/gate:1', 'acme/camera': 'acme/camera:1' });
    expect(await remove(stage, 'acme/camera:1')).toMatchObject({
      removed: [],
      kept: { [CAMERA]: 'images."acme/camera" is at fault, and may mean it.' },
    });
  });

  it('keeps what somebody else brought after its own was taken away', async () => {
    const stage = await startWithOld();
    stage.engine.evict(CAMERA);
    await stage.clock.advance(1000);
    stage.engine.put(CAMERA);
    await stage.clock.advance(1000);
    expect(await remove(stage, 'acme/camera:1')).toMatchObject({
      removed: [],
      kept: { [CAMERA]: 'This module did not pull it.' },
    });
  });

  it('goes on with the others where the engine refuses one, and says why', async () => {
    const stage = await startWithOld();
    const { untag } = stage.engine;
    stage.engine.untag = (reference, signal) =>
      reference === CLOUD ? Promise.reject(new AgentError('Unknown', 'conflict')) : untag(reference, signal);
    expect(await remove(stage, CLOUD, CAMERA)).toEqual({
      status: 200,
      removed: [CAMERA],
      kept: { [CLOUD]: 'conflict' },
    });
  });

  it('keeps what it did not come to in time', async () => {
    const stage = await startWithOld();
    stage.engine.untag = (_reference, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    const answer = remove(stage, CAMERA, CLOUD);
    await stage.clock.advance(20_000);
    expect(await answer).toMatchObject({
      removed: [],
      kept: {
        [CAMERA]: expect.stringContaining('call again'),
        [CLOUD]: expect.stringContaining('call again'),
      },
    });
  });

  it('answers in less than 100 KB, whatever is asked and however the engine words it', async () => {
    const stage = await startWithOld();
    const { untag } = stage.engine;
    stage.engine.untag = (reference, signal) =>
      reference === CLOUD
        ? Promise.reject(new AgentError('Unknown', '\u8aad'.repeat(1000)))
        : untag(reference, signal);
    const many = Array.from({ length: 999 }, (_, index) => `${'a'.repeat(200)}/${index}:1`);
    const { payload } = await stage.call('RemoveImages', { images: [CLOUD, ...many] });
    const { kept = {}, omitted } = payload as { kept?: Record<string, string>; omitted?: number };
    expect(kept[CLOUD]).toHaveLength(256);
    expect(Object.keys(kept).length + Number(omitted)).toBe(1000);
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThan(100_000);
  });

  it.each<[string, object]>([
    ['a thousand faults', { images: Array.from({ length: 10_000 }, () => 7) }],
    ['a name as long as a payload', { images: ['x'.repeat(120_000)] }],
  ])('names %s in a short answer', async (_, payload) => {
    const stage = startStage();
    await stage.desire({});
    for (const method of ['RemoveImages', 'PullImages', 'GetStatus']) {
      const { status, payload: answer } = await stage.call(method, payload);
      expect([400, 404]).toContain(status);
      expect(JSON.stringify(answer).length).toBeLessThan(2000);
    }
  });

  it.each([
    ['no list', undefined],
    ['an empty list', []],
    ['a number', [7]],
    ['no reference', ['Not A Reference']],
    ['a name that is none and no reference to anything', ['']],
  ])('is refused with 400 for %s', async (_, images) => {
    const stage = await startWithOld();
    expect(await stage.call('RemoveImages', { images })).toMatchObject({ status: 400 });
  });

  it('knows after a restart what it pulled, and under which name', async () => {
    const memory = { store: createMemoryStore(), sealer: createFakeSealer() };
    const engine = createFakeEngine();
    const before = await startWithOld({ engine, memory });
    await before.stop();
    const stage = startStage({ engine, memory });
    expect(await remove(stage, CAMERA)).toMatchObject({
      removed: [],
      kept: { [CAMERA]: 'It is not known yet what is desired.' },
    });
    await stage.desire({ gate: 'acme/gate:1' });
    const { removed } = await remove(stage, 'camera');
    expect(removed).toEqual(expect.arrayContaining([CAMERA, CLOUD]));
  });
});
