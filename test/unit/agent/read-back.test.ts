import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/merge-patch';
import { toJsonBytes } from '#core/json-size';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const GATE = `${ADDRESS}/acme/gate:1`;

/** What IoT Hub is to show in the end: the module's own answer, without what only a method tells. */
async function toTruth({ call }: Stage): Promise<JsonObject> {
  const { payload } = await call('GetStatus');
  const { summary, images } = payload as { summary: JsonObject; images: Record<string, JsonObject> };
  const entries = Object.entries(images).map(([name, { advice: _advice, ...entry }]) => [name, entry]);
  return { summary, images: Object.fromEntries(entries) };
}

function startPulling() {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  return { engine, stage: startStage({ engine }) };
}

const download = (engine: ReturnType<typeof createFakeEngine>, currentBytes: number): void =>
  engine.pulls[0]?.layer('a', { kind: 'downloading', currentBytes, totalBytes: 1_000_000 });

describe('nothing of a report that edgeHub held back stays in IoT Hub when it is passed on', () => {
  it('after a connection that was made anew', async () => {
    const { engine, stage } = startPulling();
    const { desire, hub, clock } = stage;
    await desire({ camera: CAMERA });
    await clock.advance(10_000);
    hub.holdsBack = true;
    engine.pulls[0]?.fail(new AgentError('RegistryError', 'bad gateway'));
    await clock.advance(1500);
    hub.disconnect();
    // It is tried again meanwhile.
    await clock.advance(30_000);
    hub.connect();
    await clock.advance(3000);
    hub.holdsBack = false;
    expect(hub.reported).toMatchObject(await toTruth(stage));
    expect(stage.image('camera')).not.toHaveProperty('reason');
  });

  it('after a restart in mid-pull', async () => {
    const { engine, stage: first } = startPulling();
    await first.desire({ camera: CAMERA });
    download(engine, 10_000);
    await first.clock.advance(20_000);
    const { hub } = first;
    hub.holdsBack = true;
    await first.stop();
    hub.forget();
    const second = startStage({ engine, hub });
    hub.connect();
    await second.clock.advance(2000);
    hub.holdsBack = false;
    expect(hub.reported).toMatchObject(await toTruth(second));
    expect(second.image('camera')).not.toHaveProperty('message');
  });

  it('after an answer that did not come to a report that was taken', async () => {
    const { engine, stage } = startPulling();
    const { desire, hub, clock } = stage;
    await desire({ camera: CAMERA });
    await clock.advance(10_000);
    const { report } = hub;
    hub.holdsBack = true;
    hub.report = async (patch) => {
      await report(patch);
      throw new Error('report: no answer');
    };
    engine.pulls[0]?.fail(new AgentError('RegistryError', 'bad gateway'));
    await clock.advance(1500);
    hub.disconnect();
    hub.report = report;
    await clock.advance(30_000);
    hub.connect();
    await clock.advance(3000);
    hub.holdsBack = false;
    expect(hub.reported).toMatchObject(await toTruth(stage));
    expect(stage.image('camera')).not.toHaveProperty('reason');
  });

  it('where it took an entry away that came back meanwhile', async () => {
    const { engine, stage } = startPulling();
    const { desire, hub, clock } = stage;
    engine.failures.set(CAMERA, 'NotFound');
    await desire({ camera: CAMERA });
    await clock.advance(10_000);
    expect(stage.image('camera')).toHaveProperty('message');
    hub.holdsBack = true;
    await desire({ camera: null });
    await clock.advance(2000);
    engine.failures.clear();
    await desire({ camera: CAMERA });
    await clock.advance(2000);
    hub.holdsBack = false;
    expect(hub.reported).toMatchObject(await toTruth(stage));
    expect(stage.image('camera')).not.toHaveProperty('message');
  });

  it('where it was the first word of an image that is gone since, when the twin is read again a minute later', async () => {
    const { engine, stage: first } = startPulling();
    engine.serve(GATE);
    await first.desire({ camera: CAMERA });
    await first.clock.advance(10_000);
    const { hub } = first;
    hub.holdsBack = true;
    await first.desire({ camera: CAMERA, gate: GATE });
    await first.stop();
    hub.forget();
    const second = startStage({ engine, hub });
    hub.connect();
    await second.desire({ camera: CAMERA });
    hub.holdsBack = false;
    expect(second.phases()).toHaveProperty('gate');
    // Progress is reported all the time.
    for (let seconds = 1; seconds <= 60; seconds += 1) {
      download(engine, seconds * 1000);
      await second.clock.advance(1000);
    }
    hub.serve({ desired: hub.desired });
    await second.clock.advance(2000);
    expect(second.phases()).toEqual({ camera: 'Pulling' });
  });
});

describe('a report costs no more than it must', () => {
  it('and there is none for a connection that is made anew while nothing changes', async () => {
    const { engine, stage } = startPulling();
    engine.pullsFinishAtOnce = true;
    const { desire, hub, clock } = stage;
    await desire({ camera: CAMERA });
    await clock.advance(10_000);
    const patches = hub.patches.length;
    for (let minute = 0; minute < 10; minute += 1) {
      hub.disconnect();
      hub.connect();
      await clock.advance(60_000);
    }
    expect(hub.patches).toHaveLength(patches);
  });

  it('and the first one after a start, which is in full, is followed by none', async () => {
    const { engine, stage: first } = startPulling();
    engine.pullsFinishAtOnce = true;
    await first.desire({ camera: CAMERA });
    await first.clock.advance(10_000);
    await first.stop();
    const { hub } = first;
    const patches = hub.patches.length;
    hub.forget();
    const second = startStage({ engine, hub });
    hub.connect();
    await second.clock.advance(1000);
    hub.serve({ desired: hub.desired });
    await second.clock.advance(600_000);
    const [full, ...more] = hub.patches.slice(patches);
    expect(full).toMatchObject({ images: { camera: { phase: 'Pulled', reason: null, percent: null } } });
    expect(JSON.stringify(more)).not.toContain('image');
  });

  it('and fits into the limits of edgeHub and of IoT Hub in full, with hundreds of images', async () => {
    const engine = createFakeEngine();
    engine.pullsFinishAtOnce = true;
    const names = Array.from({ length: 170 }, (_, position) => `image-number-${position}`);
    const images = Object.fromEntries(names.map((name) => [name, `${ADDRESS}/acme/${name}:1`]));
    for (const image of Object.values(images)) engine.serve(image);
    const first = startStage({ engine, relay: createFakeRelay });
    await first.desire(images);
    await first.clock.advance(600_000);
    await first.stop();
    const { hub } = first;
    const patches = hub.patches.length;
    hub.forget();
    const second = startStage({ engine, hub, relay: createFakeRelay });
    hub.connect();
    await second.clock.advance(10_000);
    const sent = hub.patches.slice(patches);
    expect(sent.length).toBeGreaterThan(1);
    for (const patch of sent) expect(toJsonBytes(patch)).toBeLessThanOrEqual(30_000);
    expect(hub.reported).toMatchObject({ summary: { desired: 170, ready: true } });
  });
});
