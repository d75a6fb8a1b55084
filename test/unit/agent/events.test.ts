import { describe, expect, it } from 'vitest';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { compileSchema } from '../contract/documents.ts';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const validate = compileSchema('events.schema.json');

/** The events that edgeHub took, `event name reason`; each must keep the published schema. */
function listEvents({ hub }: Stage): string[] {
  return hub.sent.map(({ output, body, properties }) => {
    expect(output).toBe('pullEvents');
    expect(validate(body)).toEqual([]);
    const { event, name, reason } = body as Record<string, string>;
    expect(properties).toEqual({ event });
    return [event, name, reason].filter((part) => part !== undefined).join(' ');
  });
}

describe('events', () => {
  it('tell of a rollout with one fault, each thing once', async () => {
    const stage = startStage();
    const { engine, desire, clock, hub } = stage;
    const { digest } = engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1', gate: 'acme/gate:1' });
    await clock.advance(3_600_000);
    expect(listEvents(stage)).toEqual(['ImagePulled camera', 'ImagePullFailed gate NotFound']);
    engine.serve(`${ADDRESS}/acme/gate:1`);
    await clock.advance(3_600_000);
    expect(listEvents(stage).slice(2)).toEqual(['ImagePulled gate', 'Ready']);
    expect(hub.sent[0]?.body).toEqual({
      schemaVersion: '1.0',
      event: 'ImagePulled',
      time: '2026-11-24T12:00:00Z',
      desiredVersion: 1,
      name: 'camera',
      image: CAMERA,
      digest,
      durationMs: 0,
      bytes: 1_000_000,
    });
    expect(hub.sent[3]?.body).toMatchObject({ event: 'Ready', bytes: 2_000_000 });
    expect(new Set(hub.sent.map(({ id }) => id)).size).toBe(4);
  });

  it('tell nothing of what was there before', async () => {
    const stage = startStage();
    stage.engine.put(CAMERA);
    await stage.desire({ camera: 'acme/camera:1' });
    await stage.clock.advance(5000);
    expect(listEvents(stage)).toEqual(['Ready']);
  });

  it('tell of an eviction, and of what heals it', async () => {
    const stage = startStage();
    const { engine, desire, clock } = stage;
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    await clock.advance(5000);
    engine.evict(CAMERA);
    await clock.advance(5000);
    expect(listEvents(stage)).toEqual([
      'ImagePulled camera',
      'Ready',
      'ImageEvicted camera',
      'ImagePulled camera',
      'Ready',
    ]);
  });

  it('tell of a registry once, not of each of its images, and when it is well again', async () => {
    const stage = startStage();
    const { engine, desire, clock } = stage;
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    engine.passwords.set(ADDRESS, { device: 'changed' });
    await desire({ a: 'acme/camera:1', b: 'acme/camera:1' });
    await clock.advance(3_600_000);
    expect(listEvents(stage)).toEqual(['RegistryLoginFailed plant Unauthorized']);
    engine.passwords.set(ADDRESS, { device: 'one' });
    await clock.advance(1_800_000);
    expect(listEvents(stage)[1]).toBe('RegistryLoginRestored plant');
    expect(listEvents(stage).at(-1)).toBe('Ready');
  });

  it('wait while edgeHub is away, the latest of a kind for each image, and go in their order', async () => {
    const stage = startStage();
    const { engine, desire, clock, hub } = stage;
    await desire({ camera: 'acme/camera:1' });
    hub.disconnect();
    engine.failures.set(CAMERA, 'DiskFull');
    await clock.advance(3_600_000);
    engine.failures.clear();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await clock.advance(3_600_000);
    expect(listEvents(stage)).toEqual(['ImagePullFailed camera NotFound']);
    hub.connect();
    await clock.advance(1000);
    expect(listEvents(stage).slice(1)).toEqual([
      'ImagePullFailed camera DiskFull',
      'ImagePulled camera',
      'Ready',
    ]);
  });

  it('are at most 200 that wait; the oldest are dropped, and how many is logged', async () => {
    const stage = startStage();
    const { desire, clock, hub, logs } = stage;
    await desire({});
    hub.disconnect();
    const names = Array.from({ length: 300 }, (_, index) => `image-${index}`);
    hub.serve({
      desired: {
        $version: 2,
        images: Object.fromEntries(names.map((name) => [name, `${ADDRESS}/acme/none:1`])),
      },
    });
    await clock.advance(120_000);
    hub.connect();
    await clock.advance(5000);
    const events = listEvents(stage).slice(1);
    expect(events).toHaveLength(200);
    expect(logs.filter((line) => line.includes('events dropped'))).toEqual([
      expect.stringContaining('{"dropped":100}') as string,
    ]);
  });

  it('are sent again with the same id where no answer came, and given up after five times', async () => {
    const stage = startStage();
    const { hub, desire, clock } = stage;
    const ids: string[] = [];
    const { send } = hub;
    hub.send = async (output, message) => {
      ids.push(message.id);
      if (ids.length < 3) throw new Error('no answer');
      return send(output, message);
    };
    await desire({ camera: 'acme/camera:1' });
    await clock.advance(60_000);
    expect(listEvents(stage)).toEqual(['ImagePullFailed camera NotFound']);
    expect(ids).toEqual([ids[0], ids[0], ids[0]]);

    ids.splice(0);
    hub.send = async (_output, { id }) => {
      ids.push(id);
      throw new Error('no answer');
    };
    await desire({ other: 'acme/other:1' });
    await clock.advance(120_000);
    expect(ids).toHaveLength(5);
  });

  it('outlast a connection that breaks each time they are sent', async () => {
    const stage = startStage();
    const { hub, desire, clock } = stage;
    const { send } = hub;
    let breaks = 0;
    hub.send = async (output, message) => {
      if ((breaks += 1) > 6) return send(output, message);
      hub.disconnect();
      throw new Error('the connection broke');
    };
    await desire({ camera: 'acme/camera:1' });
    for (let again = 0; again < 7; again += 1) {
      hub.connect();
      await clock.advance(10_000);
    }
    expect(listEvents(stage)).toEqual(['ImagePullFailed camera NotFound']);
  });

  it.each([
    ['taken', 1],
    ['given up', 5],
  ])('that come while one of the same kind is on its way are sent after that is %s', async (_, times) => {
    const stage = startStage();
    const { hub, engine, desire, clock } = stage;
    const { send } = hub;
    const { promise, resolve } = Promise.withResolvers<void>();
    let sent = 0;
    hub.send = async (output, message) => {
      if ((sent += 1) < times) throw new Error('no answer');
      hub.send = send;
      await promise;
      if (times > 1) throw new Error('no answer');
      return send(output, message);
    };
    await desire({ camera: 'acme/camera:1' }, { retryInitialSeconds: 60, retryMaxSeconds: 60 });
    await clock.advance(30_000);
    expect(sent).toBe(times);
    engine.failures.set(ADDRESS, 'RegistryUnreachable');
    await clock.advance(60_000);
    engine.failures.delete(ADDRESS);
    engine.failures.set(CAMERA, 'RateLimited');
    await clock.advance(120_000);
    resolve();
    await clock.advance(10_000);
    expect(listEvents(stage)).toContain('ImagePullFailed camera RateLimited');
  });
});

describe('after a restart, with a folder to remember in', () => {
  it('nothing is told again that was heard, and everything that was not', async () => {
    const memory = { store: createMemoryStore(), sealer: createFakeSealer() };
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const registryCredentials = {
      plant: { address: ADDRESS, username: 'device', password: 'one' },
      other: { address: '10.0.0.9:5000', username: 'device', password: 'wrong' },
    };
    engine.passwords.set('10.0.0.9:5000', { device: 'right' });
    const images = {
      camera: { image: 'acme/camera:1', registry: 'plant' },
      missing: { image: 'acme/none:1', registry: 'plant' },
    };
    const first = startStage({ engine, memory });
    await first.desire(images, {}, { registryCredentials });
    await first.clock.advance(5000);
    expect(listEvents(first).toSorted()).toEqual([
      'ImagePullFailed missing NotFound',
      'ImagePulled camera',
      'RegistryLoginFailed other Unauthorized',
    ]);
    first.hub.disconnect();
    engine.failures.set(`${ADDRESS}/acme/none:1`, 'RateLimited');
    await first.clock.advance(1_800_000);
    await first.stop();

    const second = startStage({ engine, memory });
    second.hub.serve({ desired: { $version: 1, registryCredentials, images, settings: {} } });
    await second.clock.advance(1_800_000);
    expect(listEvents(second)).toEqual(['ImagePullFailed missing RateLimited']);

    engine.failures.clear();
    engine.serve(`${ADDRESS}/acme/none:1`);
    await second.clock.advance(1_800_000);
    expect(listEvents(second).slice(1)).toEqual(['ImagePulled missing', 'Ready']);
    await second.stop();

    const third = startStage({ engine, memory });
    third.hub.serve({ desired: { $version: 1, registryCredentials, images, settings: {} } });
    await third.clock.advance(1_800_000);
    expect(listEvents(third)).toEqual([]);
  });
});

it('a login that failed while the clock was wrong is told to have failed for as long as it did', async () => {
  const { engine, clock, desire, hub, logs } = startStage();
  engine.failures.set(ADDRESS, 'RegistryUntrusted');
  clock.jump(-Date.UTC(2026, 10, 24, 12));
  await desire({ camera: `${ADDRESS}/acme/camera:1` });
  await clock.advance(5000);
  clock.jump(Date.UTC(2026, 10, 24, 12));
  engine.failures.delete(ADDRESS);
  await clock.advance(20_000);
  const restored = hub.sent
    .map(({ body }) => Object(body))
    .find(({ event }) => event === 'RegistryLoginRestored');
  expect(restored?.durationMs).toBeGreaterThan(5000);
  expect(restored?.durationMs).toBeLessThan(30_000);
  expect(logs.find((line) => line.includes('login succeeded again'))).toMatch(/"failedFor":"\d+ s"/);
});
