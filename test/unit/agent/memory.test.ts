import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/merge-patch';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const BEFORE_RECALL_MS = 4900;

/** An agent that pulled one image, saved what it knows, and ended. */
async function liveOnce(settings: { readonly unlisted?: string } = {}) {
  const store = createMemoryStore();
  const sealer = createFakeSealer();
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const memory = { store, sealer };
  const stage = startStage({ engine, memory });
  await stage.desire({ camera: 'acme/camera:1' }, settings);
  await stage.clock.advance(5000);
  await stage.stop();
  return { store, sealer, engine, memory };
}

describe('a module that starts while edgeHub is away', () => {
  it('pulls from what it remembers, logs in with the sealed password, and says so when it can', async () => {
    const { engine, memory } = await liveOnce();
    engine.evict(CAMERA);
    const { hub, clock, phases } = startStage({ engine, memory });
    hub.disconnect();
    await clock.advance(BEFORE_RECALL_MS);
    expect(engine.calls.filter((call) => call.startsWith('pull'))).toHaveLength(1);
    await clock.advance(5000);
    expect(engine.calls.filter((call) => call.startsWith('pull'))).toHaveLength(2);
    hub.serve({ desired: {}, reported: {} });
    hub.connect();
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(JSON.stringify(hub.reported['lastDesiredStatus'])).toContain('memory');
  });

  it('waits for the passwords where they could not be sealed, and never tries a made-up one', async () => {
    const { engine, memory, sealer } = await liveOnce();
    sealer.isAway = true;
    engine.evict(CAMERA);
    const { hub, clock, phases } = startStage({ engine, memory });
    hub.disconnect();
    const loginsBefore = engine.calls.filter((call) => call.startsWith('login')).length;
    await clock.advance(3_600_000);
    expect(engine.calls.filter((call) => call.startsWith('login')).length).toBe(loginsBefore);
    hub.serve({ desired: {}, reported: {} });
    hub.connect();
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Failed Unauthorized' });
  });

  it('pulls as soon as the passwords can be opened, where that is not yet so at the start', async () => {
    const { engine, memory, sealer } = await liveOnce();
    sealer.isAway = true;
    engine.evict(CAMERA);
    const { hub, clock, logs } = startStage({ engine, memory });
    hub.disconnect();
    const toPulls = (): number => engine.calls.filter((call) => call.startsWith('pull')).length;
    await clock.advance(60_000);
    expect(toPulls()).toBe(1);
    sealer.isAway = false;
    await clock.advance(120_000);
    expect(toPulls()).toBe(2);
    expect(logs.filter((line) => line.includes('cannot be opened'))).toHaveLength(1);
    expect(logs.filter((line) => line.includes('are opened'))).toHaveLength(1);
  });

  it('takes no password that can be opened late for that of a twin that came before', async () => {
    const { engine, memory, sealer } = await liveOnce();
    sealer.isAway = true;
    const plant = { address: ADDRESS, username: 'device', password: 'two' };
    const { clock, desire, hub, phases } = startStage({ engine, memory });
    engine.passwords.set(ADDRESS, { device: 'two' });
    await clock.advance(10_000);
    await desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
    sealer.isAway = false;
    await clock.advance(3_600_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported['registries']).toMatchObject({ plant: { login: 'Succeeded' } });
  });

  it('opens the passwords late, too, where a twin was refused before', async () => {
    const { engine, memory, sealer } = await liveOnce();
    sealer.isAway = true;
    engine.evict(CAMERA);
    const { clock, desire, hub, phases } = startStage({ engine, memory });
    await desire({}, {}, { schemaVersion: '2.0' });
    await clock.advance(10_000);
    expect(phases()).toEqual({ camera: 'Failed Unauthorized' });
    sealer.isAway = false;
    await clock.advance(120_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported['lastDesiredStatus']).toMatchObject({ code: 412 });
  });

  it('goes over to the twin when it comes, and drops the remark', async () => {
    const { engine, memory } = await liveOnce();
    const { hub, clock, desire, phases } = startStage({ engine, memory });
    await clock.advance(10_000);
    engine.serve(`${ADDRESS}/acme/gate:1`);
    await desire({ gate: 'acme/gate:1' });
    await clock.advance(1000);
    expect(phases()).toEqual({ gate: 'Pulled' });
    expect(hub.reported['lastDesiredStatus']).toEqual({ code: 200, description: '' });
  });
});

it('says of refused desired properties that they are, though it works by what it remembers', async () => {
  const { engine, memory } = await liveOnce();
  const { clock, desire, hub, phases } = startStage({ engine, memory });
  await desire({}, {}, { schemaVersion: '2.0' });
  await clock.advance(10_000);
  expect(phases()).toEqual({ camera: 'Pulled' });
  expect(hub.reported['lastDesiredStatus']).toMatchObject({ code: 412 });
});

describe('a storage folder that hangs at the start', () => {
  /** What an agent left, which cannot be read before the folder answers. */
  async function hang(settings: { readonly unlisted?: string } = {}) {
    const { engine, memory, store } = await liveOnce(settings);
    const { load } = store;
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    store.load = async () => answered.then(load);
    return { engine, memory, store, answer };
  }

  it('holds nothing up: the module works by what edgeHub says, and writes nothing over', async () => {
    const { engine, memory, store } = await hang();
    const before = store.text;
    const { clock, desire, phases, logs, stop } = startStage({ engine, memory });
    engine.serve(`${ADDRESS}/acme/gate:1`);
    await desire({ gate: 'acme/gate:1' });
    await clock.advance(5000);
    expect(phases()).toEqual({ gate: 'Pulled' });
    expect(logs.filter((line) => line.includes('storage folder does not answer'))).toHaveLength(1);
    const stopped = stop();
    await clock.settle();
    await clock.advance(8000);
    await stopped;
    expect(store.text).toBe(before);
  });

  it('and answers late gives back what is the module’s own, which edgeHub does not know', async () => {
    const { engine, memory, store, answer } = await hang();
    const { clock, desire, phases, logs } = startStage({ engine, memory });
    engine.serve(`${ADDRESS}/acme/gate:1`);
    await desire({ gate: 'acme/gate:1' }, { unlisted: 'remove' });
    await clock.advance(60_000);
    expect(engine.calls.filter((call) => call.startsWith('untag'))).toEqual([]);
    answer();
    await clock.advance(600_000);
    expect(phases()).toEqual({ gate: 'Pulled' });
    expect(logs.filter((line) => line.includes('storage folder answers again'))).toHaveLength(1);
    expect(engine.calls).toContain(`untag ${CAMERA}`);
    expect(JSON.parse(store.text)).toMatchObject({
      desired: { document: { images: { gate: 'acme/gate:1' } } },
    });
  });

  it('and answers late has the module work by what was desired, while edgeHub says nothing', async () => {
    const { engine, memory, answer } = await hang();
    engine.evict(CAMERA);
    const { clock, hub } = startStage({ engine, memory });
    hub.disconnect();
    const toPulls = (): number => engine.calls.filter((call) => call.startsWith('pull')).length;
    await clock.advance(60_000);
    expect(toPulls()).toBe(1);
    answer();
    await clock.advance(5000);
    expect(toPulls()).toBe(2);
  });
});

describe('desired properties that are refused while the storage folder hangs', () => {
  async function refuse() {
    const { engine, memory, store } = await liveOnce();
    const first = startStage({ engine, memory });
    await first.desire({ camera: 'acme/camera:1' });
    await first.clock.advance(5000);
    await first.stop();
    const { hub } = first;
    const { images } = hub.reported;
    hub.forget();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const { load } = store;
    store.load = async () => answered.then(load);
    const stage = startStage({ engine, memory, hub });
    hub.connect();
    hub.serve({ desired: { $version: 9, schemaVersion: '2.0' } });
    return { ...stage, store, images, answer };
  }

  it('do not empty what was reported', async () => {
    const { hub, clock, images, answer } = await refuse();
    await clock.advance(50_000);
    expect(hub.reported['images']).toEqual(images);
    answer();
    await clock.advance(5000);
    expect(hub.reported).toMatchObject({
      images,
      lastDesiredStatus: { code: 412 },
      summary: { ready: true },
    });
  });

  it('are told as soon as it has answered that it holds nothing', async () => {
    const { hub, clock, images, store, answer } = await refuse();
    store.text = '';
    await clock.advance(20_000);
    expect(hub.reported['images']).toEqual(images);
    answer();
    await clock.advance(1000);
    expect(hub.reported).toMatchObject({ images: {}, lastDesiredStatus: { code: 412 } });
  });

  it('are told after a minute, whatever it does', async () => {
    const { hub, clock, images, answer } = await refuse();
    await clock.advance(55_000);
    expect(hub.reported['images']).toEqual(images);
    await clock.advance(10_000);
    expect(hub.reported).toMatchObject({ lastDesiredStatus: { code: 412 }, summary: { ready: false } });
    answer();
  });
});

describe('an image that is written with what may be a secret', () => {
  it('is not taken for one that nobody lists: it is at fault, and what it may mean stays', async () => {
    const { engine, memory } = await liveOnce({ unlisted: 'remove' });
    const first = startStage({ engine, memory });
    await first.desire({ camera: 'user:one@host/acme/camera:1' }, { unlisted: 'remove' });
    await first.clock.advance(5000);
    expect(first.phases()).toEqual({ camera: 'Failed InvalidImage' });
    await first.stop();
    expect(memory.store.text).not.toContain('user:one');
    const { hub, clock, phases } = startStage({ engine, memory });
    hub.disconnect();
    await clock.advance(60_000);
    expect(engine.calls.filter((call) => call.startsWith('untag'))).toEqual([]);
    hub.serve({ desired: {}, reported: {} });
    hub.connect();
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Failed InvalidImage' });
    expect(hub.reported['summary']).toMatchObject({ ready: false, desired: 1, failed: 1 });
  });

  it('is remembered without what this version does not know, and pulled', async () => {
    const { engine, memory } = await liveOnce();
    const entry = { image: 'acme/camera:1', owner: 'somebody@plant.example', password: 'hush' };
    const first = startStage({ engine, memory });
    await first.desire({ camera: entry });
    await first.clock.advance(5000);
    await first.stop();
    expect(memory.store.text).not.toMatch(/somebody@|hush/);
    engine.evict(CAMERA);
    const { hub, clock, agent } = startStage({ engine, memory });
    hub.disconnect();
    await clock.advance(60_000);
    expect(agent.toOverview().status.summary).toMatchObject({ isReady: true, desired: 1, pulled: 1 });
  });
});

describe('what is written where a secret is not looked for', () => {
  /** Restarts an agent, with edgeHub away, to which these were given. @returns the desired status before and after */
  async function restart(registryCredentials: JsonObject, settings: JsonObject = {}) {
    const { engine, memory } = await liveOnce();
    const first = startStage({ engine, memory });
    await first.desire({ camera: CAMERA }, settings, { registryCredentials });
    await first.clock.advance(5000);
    await first.stop();
    const { hub, clock, agent } = startStage({ engine, memory });
    hub.disconnect();
    await clock.advance(60_000);
    const { status } = agent.toOverview();
    return { text: memory.store.text, status, before: first.hub.reported['lastDesiredStatus'] };
  }

  const PLANT = { address: ADDRESS, username: 'device', password: 'one' };

  it.each<[string, JsonObject]>([
    ['a login in an address', { address: 'https://device:s3cret@plant:443' }],
    ['an address that is none', { address: 'https://plant/s3cret' }],
    ['a key beside no certificate', { address: 'plant:443', ca: '-----BEGIN PRIVATE KEY-----s3cret' }],
    ['a user name that is no text', { address: 'plant:443', username: { s3cret: 1 }, password: 'two' }],
    ['a registry that is only text', 'https://device:s3cret@plant' as unknown as JsonObject],
  ])('%s is not kept, and its registry is at fault after a restart too', async (_, entry) => {
    const { text, status } = await restart({ plant: PLANT, office: entry });
    expect(text).not.toContain('s3cret');
    expect(status.lastDesiredStatus?.description).toContain('registryCredentials.office');
    expect(status.registries.get('office')).toMatchObject({ login: 'Failed', reason: 'UnknownRegistry' });
    expect(status.images.get('camera')).toMatchObject({ phase: 'Pulled' });
  });

  it('a key beside a certificate is not kept, and the certificate is', async () => {
    const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
    const ca = `${certificate}\n-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n${certificate}\n`;
    const { text, status } = await restart({ plant: { ...PLANT, ca } });
    expect(text).not.toContain('s3cret');
    expect(text).toContain(JSON.stringify(`${certificate}\n${certificate}`));
    expect(status.lastDesiredStatus).toMatchObject({ code: 200 });
  });

  it('a property that is null is none after a restart either', async () => {
    const { status } = await restart({ plant: PLANT, office: { address: 'office:443', username: null } });
    expect(status.lastDesiredStatus).toMatchObject({ code: 200 });
    expect(status.registries.get('office')).not.toMatchObject({ login: 'Failed' });
  });

  it.each<[string, JsonObject]>([
    ['an unknown setting', { proxy: 'http://u:s3cret@proxy:80' }],
    ['an unknown part of one', { pullWindow: { start: '00:00', end: '00:00', s3cret: 'u:s3cret' } }],
    ['a setting at fault', { logLevel: 'http://u:s3cret@proxy:80' }],
    ['a part of one at fault', { pullWindow: { start: 's3cret', end: '00:00' } }],
  ])('%s is not kept, and the others are', async (_, settings) => {
    const { text, status, before } = await restart(
      { plant: PLANT },
      { ...settings, paused: true, unlisted: null },
    );
    expect(text).not.toContain('s3cret');
    expect(text).toContain('"paused":true');
    expect(status.lastDesiredStatus?.code).toBe(Object(before).code);
  });
});

describe('what is remembered', () => {
  it('holds no password in clear', async () => {
    const { store } = await liveOnce();
    expect(store.text).toContain('acme/camera');
    expect(store.text).not.toContain('"one"');
    const away = createFakeSealer();
    away.isAway = true;
    const unsealed = createMemoryStore();
    const stage = startStage({ memory: { store: unsealed, sealer: away } });
    await stage.desire({ odd: 'user:one@host/image', camera: 'acme/camera:1' });
    await stage.clock.advance(5000);
    expect(unsealed.text).toContain('acme/camera');
    expect(unsealed.text).not.toMatch(/"one"|user:one/);
  });

  it('has no registry whose entry is null, as desired has none', async () => {
    const { engine, memory } = await liveOnce();
    const first = startStage({ engine, memory });
    const plant = { address: ADDRESS, username: 'device', password: 'one' };
    await first.desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { former: null, plant } });
    await first.clock.advance(5000);
    expect(first.phases()).toEqual({ camera: 'Pulled' });
    await first.stop();
    const { hub, clock, agent } = startStage({ engine, memory });
    hub.disconnect();
    await clock.advance(60_000);
    expect(agent.toOverview().status.images.get('camera')).toMatchObject({ phase: 'Pulled' });
  });

  it('lets an image that was pulled before a restart be removed after it', async () => {
    const { engine, memory } = await liveOnce();
    const { desire, clock } = startStage({ engine, memory });
    await desire({}, { unlisted: 'remove' });
    await clock.advance(1000);
    expect(engine.calls).toContain(`untag ${CAMERA}`);
  });

  it('does not grow with each image that came and went', async () => {
    const store = createMemoryStore();
    const engine = createFakeEngine();
    engine.pullsFinishAtOnce = true;
    const { desire, clock } = startStage({ engine, memory: { store, sealer: createFakeSealer() } });
    for (let day = 1; day <= 5; day += 1) {
      engine.serve(`${ADDRESS}/acme/camera:${day}`);
      await desire({ camera: `acme/camera:${day}` });
      await clock.advance(5000);
      engine.evict(`${ADDRESS}/acme/camera:${day}`);
    }
    await desire({});
    await clock.advance(5000);
    expect(JSON.parse(store.text)).toHaveProperty('ownedAs', {});
  });

  describe('of a pull that the module was killed in', () => {
    /** What was saved when the module was killed in mid-pull of the camera. */
    async function killInMidPull(engine: FakeEngine) {
      const store = createMemoryStore();
      const stage = startStage({ engine, memory: { store, sealer: createFakeSealer() } });
      await stage.desire({ camera: 'acme/camera:1' });
      expect(stage.phases()).toEqual({ camera: 'Pulling' });
      return { memory: { store: createMemoryStore(store.text), sealer: createFakeSealer() } };
    }

    it('is enough to remove later what the pull brought', async () => {
      const engine = createFakeEngine();
      engine.serve(CAMERA);
      const { memory } = await killInMidPull(engine);
      engine.pulls.at(-1)?.finish();
      const { desire, clock } = startStage({ engine, memory });
      await desire({}, { unlisted: 'remove' });
      await clock.advance(1000);
      expect(engine.calls).toContain(`untag ${CAMERA}`);
    });

    it('takes nothing that stood under the name before', async () => {
      const engine = createFakeEngine();
      engine.put(CAMERA);
      engine.serve(CAMERA, { id: `sha256:${'c'.repeat(64)}`, digest: `sha256:${'d'.repeat(64)}` });
      const { memory } = await killInMidPull(engine);
      const { desire, clock } = startStage({ engine, memory });
      await desire({}, { unlisted: 'remove' });
      await clock.advance(1000);
      expect(engine.calls.filter((call) => call.startsWith('untag'))).toEqual([]);
    });
  });

  it('is written once for all pulls that begin together, with every claim', async () => {
    const store = createMemoryStore();
    const saved: unknown[] = [];
    const { save } = store;
    store.save = async (document) => {
      await save(document);
      saved.push(JSON.parse(store.text));
    };
    const stage = startStage({ engine: createFakeEngine(), memory: { store, sealer: createFakeSealer() } });
    await stage.desire({ camera: 'acme/camera:1', gate: 'acme/gate:1', lamp: 'acme/lamp:1' });
    expect(Object.keys(stage.phases())).toHaveLength(3);
    const toClaims = (memory: unknown): number => Object.keys((memory as { claimed: object }).claimed).length;
    // The first goes alone, until the registry has answered.
    expect(saved.map(toClaims).filter((claims) => claims > 0)).toEqual([1, 2]);
  });

  it.each([
    ['answers', false],
    ['has fallen silent', true],
  ])('claims nothing of a pull that was ended with the module, where edgeHub %s', async (_how, isSilent) => {
    const store = createMemoryStore();
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    // An engine takes its time to end a pull.
    const { promise: isEnded, resolve: end } = Promise.withResolvers<void>();
    const { pull } = engine;
    engine.pull = async (request) => {
      try {
        return await pull(request);
      } finally {
        await isEnded;
      }
    };
    const stage = startStage({ engine, memory: { store, sealer: createFakeSealer() } });
    await stage.desire({ camera: 'acme/camera:1' });
    expect(stage.phases()).toEqual({ camera: 'Pulling' });
    expect(JSON.parse(store.text)).toMatchObject({ claimed: { [CAMERA]: { name: 'camera' } } });
    if (isSilent) {
      stage.hub.report = () => new Promise(() => undefined);
      await stage.desire({ camera: 'acme/camera:1', gate: 'acme/gate:1' });
    }
    const stopped = stage.stop();
    await stage.clock.settle();
    end();
    await stage.clock.advance(6000);
    expect(JSON.parse(store.text)).toHaveProperty('claimed', {});
    await stopped;
  });

  it('has the passwords still where they are the same in desired properties that come while they cannot be sealed', async () => {
    const { store, sealer, memory, engine } = await liveOnce();
    const { desire, clock } = startStage({ engine, memory });
    await clock.advance(1000);
    sealer.isAway = true;
    const { sealed } = JSON.parse(store.text).desired;
    await desire({ camera: 'acme/camera:1', gate: 'acme/gate:1' });
    await clock.advance(5000);
    expect(JSON.parse(store.text)).toMatchObject({
      desired: { document: { images: { gate: 'acme/gate:1' } }, sealed },
    });
  });

  it('has other passwords as soon as they can be sealed', async () => {
    const { store, sealer, memory, engine } = await liveOnce();
    const { desire, clock, logs } = startStage({ engine, memory });
    sealer.isAway = true;
    const plant = { address: ADDRESS, username: 'device', password: 'two' };
    await desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
    await clock.advance(60_000);
    expect(JSON.parse(store.text)).not.toHaveProperty('desired.sealed');
    sealer.isAway = false;
    await clock.advance(120_000);
    const sealed = await sealer.seal('{"plant":{"password":"two"}}');
    expect(JSON.parse(store.text)).toHaveProperty('desired.sealed', sealed);
    expect(logs.filter((line) => line.includes('cannot be sealed'))).toHaveLength(1);
    expect(logs.filter((line) => line.includes('can be sealed again'))).toHaveLength(1);
  });

  it('is of the last desired properties, whichever were sealed last', async () => {
    const store = createMemoryStore();
    const sealer = createFakeSealer();
    const { seal } = sealer;
    const stage = startStage({ memory: { store, sealer } });
    await stage.desire({ one: 'acme/one:1' });
    const { promise, resolve } = Promise.withResolvers<void>();
    sealer.seal = async (text) => promise.then(() => seal(text));
    await stage.desire({ two: 'acme/two:1' });
    sealer.seal = seal;
    await stage.desire({ three: 'acme/three:1' });
    resolve();
    await stage.clock.advance(10_000);
    expect(JSON.parse(store.text)).toMatchObject({
      desired: { document: { images: { three: 'acme/three:1' } } },
    });
  });

  it('keeps the time of the next attempt over a restart with the same wishes', async () => {
    const store = createMemoryStore();
    const memory = { store, sealer: createFakeSealer() };
    const engine = createFakeEngine();
    const first = startStage({ engine, memory });
    await first.desire({ camera: 'acme/camera:1' }, { retryInitialSeconds: 600, retryMaxSeconds: 600 });
    await first.clock.advance(5000);
    const { retryAt, attempts } = first.image('camera');
    await first.stop();
    const second = startStage({ engine, memory });
    await second.desire({ camera: 'acme/camera:1' }, { retryInitialSeconds: 600, retryMaxSeconds: 600 });
    expect(second.image('camera')).toMatchObject({ retryAt, attempts });
  });

  it.each(['compared', 'asked what it holds', 'tagged'])(
    'says nothing of an image that was being %s when the module was stopped',
    async (question) => {
      const store = createMemoryStore();
      const engine = createFakeEngine();
      const relay = createFakeRelay(engine);
      const hang = (signal: AbortSignal): Promise<never> =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      if (question === 'asked what it holds') relay.fetchContent = ({ signal }) => hang(signal);
      relay.fetchManifest = (_reference, _access, signal) => hang(signal);
      const { tag } = engine;
      engine.tag = (_id, _target, signal) => hang(signal);
      if (question === 'tagged') engine.put(CAMERA);
      const memory = { store, sealer: createFakeSealer() };
      const first = startStage({ engine, memory, relay: () => relay });
      const tagAs = question === 'tagged' ? ['contoso.azurecr.io/acme/camera:1'] : [];
      await first.desire({ camera: { image: 'acme/camera:1', tagAs } });
      await first.clock.advance(15_000);
      await first.stop();
      expect(store.text).toContain('acme/camera:1');
      engine.tag = tag;
      engine.serve(CAMERA);
      engine.pullsFinishAtOnce = true;
      const second = startStage({ engine, memory });
      second.hub.serve({ desired: first.hub.desired, reported: first.hub.reported });
      await second.clock.advance(60_000);
      expect(second.phases()).toEqual({ camera: 'Pulled' });
    },
  );

  it('puts no attempt off for longer than a retry delay, though the clock was years ahead before the restart', async () => {
    const store = createMemoryStore();
    const memory = { store, sealer: createFakeSealer() };
    const engine = createFakeEngine();
    const settings = { retryInitialSeconds: 60, retryMaxSeconds: 60 };
    const first = startStage({ engine, memory });
    first.clock.jump(5 * 365 * 86_400_000);
    await first.desire({ camera: 'acme/camera:1' }, settings);
    await first.clock.advance(5000);
    expect(first.phases()).toEqual({ camera: 'Failed NotFound' });
    await first.stop();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const second = startStage({ engine, memory });
    await second.desire({ camera: 'acme/camera:1' }, settings);
    expect(second.phases()).toEqual({ camera: 'Failed NotFound' });
    await second.clock.advance(61_000);
    expect(second.phases()).toEqual({ camera: 'Pulled' });
  });

  it('outlives a clock that was set back to 1970 while a login failed', async () => {
    const store = createMemoryStore();
    const memory = { store, sealer: createFakeSealer() };
    const engine = createFakeEngine();
    const settings = { retryInitialSeconds: 60, retryMaxSeconds: 60 };
    engine.failures.set(ADDRESS, 'RegistryUnreachable');
    const first = startStage({ engine, memory });
    await first.desire({ camera: 'acme/camera:1' }, settings);
    await first.clock.advance(600_000);
    first.clock.jump(30_000 - first.clock.nowMs());
    await first.clock.advance(70_000);
    await first.stop();
    engine.failures.delete(ADDRESS);
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const second = startStage({ engine, memory });
    second.hub.disconnect();
    await second.clock.advance(60_000);
    expect(second.logs.filter((line) => line.includes('cannot be read'))).toEqual([]);
    expect(engine.calls.filter((call) => call.startsWith(`pull ${CAMERA}`))).toHaveLength(1);
  });

  it('is taken but for what this version does not know', async () => {
    const store = createMemoryStore();
    const memory = { store, sealer: createFakeSealer() };
    const engine = createFakeEngine();
    engine.failures.set('10.0.0.9:5000', 'RegistryUnreachable');
    const settings = { retryInitialSeconds: 600, retryMaxSeconds: 600 };
    const plant = { address: ADDRESS, username: 'device', password: 'one' };
    const cave = { address: '10.0.0.9:5000' };
    const images = { camera: CAMERA, gate: `${ADDRESS}/acme/gate:1`, lamp: '10.0.0.9:5000/lamp:1' };
    const first = startStage({ engine, memory });
    await first.desire(images, settings, { registryCredentials: { plant, cave } });
    await first.clock.advance(20_000);
    const { retryAt } = first.image('gate');
    await first.stop();
    const saved = JSON.parse(store.text);
    saved.images.camera.failure.reason = 'EatenByRats';
    saved.images.camera.evictions = 3;
    saved.images.lamp.seen = { sinceMs: 'yesterday' };
    saved.heard.images.camera.reason = 'EatenByRats';
    saved.heard.registries.cave = { address: '10.0.0.9:5000', reason: 'EatenByRats', sinceMs: 0 };
    store.text = JSON.stringify(saved);
    const second = startStage({ engine, memory });
    await second.desire(images, settings, { registryCredentials: { plant, cave } });
    await second.clock.advance(20_000);
    expect(second.logs.filter((line) => line.includes('cannot be read'))).toEqual([]);
    expect(second.image('gate')).toMatchObject({ retryAt, attempts: 1 });
    // What failed for something unknown is tried at once.
    expect(second.image('camera')).toMatchObject({ reason: 'NotFound', attempts: 2, evictions: 3 });
    const told = second.hub.sent.map(({ body }) => Object(body)).map(({ event, name }) => `${event} ${name}`);
    expect(told.toSorted()).toEqual(['ImagePullFailed camera', 'RegistryLoginFailed cave']);
  });

  it('is done without when it cannot be written or read', async () => {
    const store = createMemoryStore('not JSON {');
    store.refuses = true;
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const { desire, phases, logs } = startStage({ engine, memory: { store, sealer: createFakeSealer() } });
    await desire({ camera: 'acme/camera:1' });
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(logs.filter((line) => line.includes('storage folder cannot be written'))).toHaveLength(1);
  });
});
