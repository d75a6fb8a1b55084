import { describe, expect, it } from 'vitest';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;

describe('a first rollout', () => {
  it('logs in, pulls, sees the image in the engine, and only then is ready', async () => {
    const { engine, hub, desire, clock, phases, image } = startStage();
    const { digest } = engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    expect(phases()).toEqual({ camera: 'Pulling' });
    expect(hub.reported['summary']).toMatchObject({ ready: false, desired: 1, pulling: 1 });
    engine.pulls[0]?.finish();
    await clock.advance(1000);
    expect(image('camera')).toMatchObject({ image: CAMERA, phase: 'Pulled', digest, transport: 'engine' });
    expect(hub.reported['summary']).toMatchObject({ ready: true, pulled: 1 });
    expect(hub.reported).toMatchObject({ lastDesiredVersion: 1, lastDesiredStatus: { code: 200 } });
  });

  it('reports a phase change within a second', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    engine.pulls[0]?.finish();
    await clock.advance(999);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it('reports mere progress no more often than reportIntervalSeconds', async () => {
    const { engine, desire, clock, hub } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    const before = hub.patches.length;
    for (let second = 1; second <= 30; second += 1) {
      engine.pulls[0]?.layer('a', { kind: 'downloading', currentBytes: second, totalBytes: 100 });
      await clock.advance(1000);
    }
    expect(hub.patches.length - before).toBeGreaterThanOrEqual(2);
    expect(hub.patches.length - before).toBeLessThanOrEqual(3);
  });

  it('sends no patch while nothing changes', async () => {
    const { engine, desire, clock, hub } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' }, { refreshIntervalSeconds: 0 });
    await clock.advance(5000);
    const before = hub.patches.length;
    await clock.advance(30 * 60_000);
    expect(hub.patches.slice(before)).toEqual([]);
  });
});

describe('a registry that a whole fleet may be asking', () => {
  const images = { a: 'acme/a:1', b: 'acme/b:1', c: 'acme/c:1' };
  const started = ({ engine }: Stage): string[] =>
    engine.calls.filter((call) => call.startsWith('pull ')).map((call) => call.split('/').at(-1) ?? '');

  it('is asked for one image first, and for the others when it has answered', async () => {
    const stage = startStage();
    for (const name of Object.keys(images)) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    await stage.desire(images);
    expect(started(stage)).toHaveLength(1);
    stage.engine.pulls[0]?.layer('base', { kind: 'waiting' });
    await stage.clock.advance(1000);
    expect(started(stage)).toHaveLength(3);
  });

  it.each([
    [0, 2000],
    [0.5, 6000],
    [0.999, 9992],
  ])('that takes its time is asked for the others after 2 to 10 s (%d)', async (random, delayMs) => {
    const stage = startStage({ random });
    for (const name of Object.keys(images)) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    await stage.desire(images);
    await stage.clock.advance(delayMs - 1001);
    expect(started(stage)).toHaveLength(1);
    await stage.clock.advance(2);
    expect(started(stage)).toHaveLength(3);
  });

  it.each(['RegistryUnreachable', 'RegistryError', 'RateLimited'] as const)(
    'and answers %s is asked for one image again',
    async (reason) => {
      const stage = startStage();
      for (const name of Object.keys(images)) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
      await stage.desire(images);
      stage.engine.pulls[0]?.fail(new AgentError(reason, 'not now'));
      await stage.clock.advance(1000);
      expect(started(stage)).toHaveLength(2);
    },
  );

  it('and does not answer what an image is under its tag is asked for one tag again', async () => {
    const stage = startStage();
    const { engine, clock } = stage;
    for (const name of Object.keys(images)) engine.put(`${ADDRESS}/acme/${name}:1`);
    const { promise, reject } = Promise.withResolvers<never>();
    let asked = 0;
    engine.fetchManifest = (_reference, _credential, signal) => {
      asked += 1;
      if (asked === 1) return promise;
      return new Promise((_, stop) => signal.addEventListener('abort', () => stop(signal.reason)));
    };
    await stage.desire(images);
    expect(asked).toBe(1);
    await clock.advance(500);
    reject(new AgentError('RegistryUnreachable', 'not now'));
    await clock.advance(100);
    expect(asked).toBe(2);
    await clock.advance(1800);
    expect(asked).toBe(2);
  });

  it('and does not have the first image is asked for all others', async () => {
    const stage = startStage();
    await stage.desire(images);
    await stage.clock.advance(1000);
    expect(started(stage)).toHaveLength(3);
  });

  it('is asked for the next image at once where the first one is cancelled', async () => {
    const stage = startStage();
    for (const name of Object.keys(images)) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    await stage.desire(images);
    await stage.call('CancelPulls', { images: ['a'] });
    await stage.clock.advance(500);
    expect(started(stage)).toEqual(['a:1 as device', 'b:1 as device']);
  });

  it('is begun with anew when the desired properties change, and not for the clock that is set', async () => {
    const stage = startStage();
    for (const name of [...Object.keys(images), 'd', 'e']) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    // Nobody compares them.
    const pullPolicy = 'if-not-present';
    const kept = { a: { image: 'acme/a:1', pullPolicy }, b: { image: 'acme/b:1', pullPolicy } };
    stage.engine.pullsFinishAtOnce = true;
    await stage.desire(kept);
    await stage.clock.advance(5000);
    stage.engine.pullsFinishAtOnce = false;
    await stage.desire({ ...kept, d: 'acme/d:1', e: 'acme/e:1' });
    stage.clock.jump(-86_400_000);
    await stage.clock.advance(999);
    expect(started(stage)).toHaveLength(3);
    await stage.clock.advance(2);
    expect(started(stage)).toHaveLength(4);
  });
});

describe('credentials', () => {
  it('uses the second password as soon as the first is refused, and says which one is in use', async () => {
    const { engine, desire, hub, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    engine.passwords.set(ADDRESS, { device: 'two' });
    const plant = { address: ADDRESS, username: 'device', password: 'one', password2: 'two' };
    await desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported['registries']).toMatchObject({
      plant: { login: 'Succeeded', credential: 'password2' },
    });
  });

  it('tries a refused password once a retry delay, however many images wait for it', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.passwords.set(ADDRESS, { device: 'changed' });
    const names = Array.from({ length: 20 }, (_value, index) => `image${index}`);
    await desire(Object.fromEntries(names.map((name) => [name, 'acme/camera:1'])));
    const logins = (): number => engine.calls.filter((call) => call.startsWith('login')).length;
    expect(logins()).toBe(1);
    expect(new Set(Object.values(phases()))).toEqual(new Set(['Failed Unauthorized']));
    await clock.advance(8000);
    expect(logins()).toBe(1);
    await clock.advance(1000);
    expect(logins()).toBe(2);
  });

  it('logs in anew when a pull in the list is refused, and goes on with the other password', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    const plant = { address: ADDRESS, username: 'device', password: 'one', password2: 'two' };
    await desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
    engine.passwords.set(ADDRESS, { device: 'two' });
    engine.pulls[0]?.fail(new AgentError('Unauthorized', 'unauthorized: Incorrect Password'));
    await clock.settle();
    engine.pulls[0]?.finish();
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  describe('of a registry that calls a refused password a missing right', () => {
    const TWO = { plant: { address: ADDRESS, username: 'device', password: 'one', password2: 'two' } };
    const denied = (): AgentError => new AgentError('AccessDenied', 'denied: access forbidden');
    const countLogins = ({ engine }: Stage): number =>
      engine.calls.filter((call) => call.startsWith('login')).length;

    it.each([3600, 0])(
      'goes on with the other one when a pull is refused, refreshed every %i s',
      async (refreshIntervalSeconds) => {
        const { engine, desire, clock, phases, hub } = startStage();
        engine.serve(CAMERA);
        await desire({ camera: 'acme/camera:1' }, { refreshIntervalSeconds }, { registryCredentials: TWO });
        engine.passwords.set(ADDRESS, { device: 'two' });
        engine.pulls[0]?.fail(denied());
        await clock.settle();
        engine.pulls[0]?.finish();
        await clock.advance(1000);
        expect(phases()).toEqual({ camera: 'Pulled' });
        expect(hub.reported['registries']).toMatchObject({ plant: { credential: 'password2' } });
      },
    );

    it('does not count a refusal of one that was replaced before it came', async () => {
      const { engine, desire, clock, phases, image } = startStage();
      engine.serve(CAMERA);
      engine.serve(`${ADDRESS}/acme/b:1`);
      await desire({ a: 'acme/camera:1', b: 'acme/b:1' }, {}, { registryCredentials: TWO });
      const [first, second] = engine.pulls;
      engine.passwords.set(ADDRESS, { device: 'two' });
      first?.fail(denied());
      await clock.settle();
      second?.fail(denied());
      await clock.settle();
      engine.pulls.forEach(({ finish }) => finish());
      await clock.advance(1000);
      expect(phases()).toMatchObject({ a: 'Pulled', b: 'Pulled' });
      expect(image('b')).not.toHaveProperty('attempts');
    });

    it('tries its images at once when a password is accepted again', async () => {
      const stage = startStage();
      const { engine, desire, clock, phases } = stage;
      engine.serve(CAMERA);
      await desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: TWO });
      engine.passwords.set(ADDRESS, { device: 'not synced yet' });
      engine.pulls[0]?.fail(denied());
      await clock.advance(1000);
      expect(phases()).toEqual({ camera: 'Failed Unauthorized' });
      engine.passwords.set(ADDRESS, { device: 'one' });
      engine.pullsFinishAtOnce = true;
      // What it finds accepted is logged in with at once.
      await stage.call('CheckRegistry');
      await clock.advance(1000);
      expect(phases()).toEqual({ camera: 'Pulled' });
    });

    it('compares a tag that it could not compare, and logs in anew for that', async () => {
      const stage = startStage();
      const { engine, desire, clock, hub } = stage;
      engine.put(CAMERA);
      await desire({ camera: 'acme/camera:1' }, { refreshIntervalSeconds: 0 }, { registryCredentials: TWO });
      engine.passwords.set(ADDRESS, { device: 'two' });
      engine.failures.set(CAMERA, 'AccessDenied');
      const before = countLogins(stage);
      await stage.call('PullImages');
      await clock.advance(1000);
      expect(countLogins(stage)).toBeGreaterThan(before);
      expect(hub.reported['registries']).toMatchObject({ plant: { credential: 'password2' } });
    });

    it('costs one without another password no login for each missing right', async () => {
      const stage = startStage();
      stage.engine.serve(CAMERA);
      const plant = { address: ADDRESS, username: 'device', password: 'one' };
      await stage.desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
      stage.engine.failures.set(CAMERA, 'AccessDenied');
      stage.engine.pulls[0]?.fail(denied());
      await stage.clock.advance(60_000);
      expect(stage.phases()).toEqual({ camera: 'Failed AccessDenied' });
      expect(countLogins(stage)).toBe(1);
    });

    it('says that the right is missing where the password in use is still accepted', async () => {
      const stage = startStage();
      stage.engine.serve(CAMERA);
      await stage.desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: TWO });
      stage.engine.failures.set(CAMERA, 'AccessDenied');
      stage.engine.pulls[0]?.fail(denied());
      await stage.clock.advance(60_000);
      expect(stage.phases()).toEqual({ camera: 'Failed AccessDenied' });
      expect(stage.engine.calls.filter((call) => call.startsWith('fetchManifest')).length).toBeLessThan(8);
    });
  });

  it('does not count a refusal of a password that was replaced before it came', async () => {
    const { engine, desire, clock, phases, image } = startStage();
    engine.serve(CAMERA);
    const plant = { address: ADDRESS, username: 'device', password: 'one', password2: 'two' };
    engine.serve(`${ADDRESS}/acme/b:1`);
    await desire({ a: 'acme/camera:1', b: 'acme/b:1' }, {}, { registryCredentials: { plant } });
    const [first, second] = engine.pulls;
    engine.passwords.set(ADDRESS, { device: 'two' });
    first?.fail(new AgentError('Unauthorized', 'unauthorized: Incorrect Password'));
    await clock.settle();
    second?.fail(new AgentError('Unauthorized', 'unauthorized: Incorrect Password'));
    await clock.settle();
    engine.pulls.forEach(({ finish }) => finish());
    await clock.advance(1000);
    expect(phases()).toMatchObject({ a: 'Pulled', b: 'Pulled' });
    expect(image('b')).not.toHaveProperty('attempts');
  });

  it('does not blame the credentials when the registry itself is broken', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    engine.failures.set(ADDRESS, 'RegistryError');
    engine.pulls[0]?.fail(new AgentError('Unauthorized', 'unauthorized: authentication required'));
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Failed RegistryError' });
    engine.failures.clear();
    engine.pullsFinishAtOnce = true;
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });
});

describe('the engine is asked little', () => {
  it('lists the images once for any number of passes in which nothing changed', async () => {
    const { engine, desire, clock, call } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    const listings = (): number => engine.calls.filter((made) => made === 'listImages').length;
    const before = listings();
    for (let pass = 0; pass < 20; pass += 1) {
      await call('PullImages');
      await clock.advance(1000);
    }
    expect(engine.calls.filter((made) => made.startsWith('fetchManifest')).length).toBeGreaterThanOrEqual(20);
    expect(listings()).toBe(before);
  });

  it('lists the images every five minutes, and no more often however many passes there are', async () => {
    const { engine, desire, clock, call } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    const before = engine.calls.filter((made) => made === 'listImages').length;
    for (let pass = 0; pass < 120; pass += 1) {
      await call('PullImages');
      await clock.advance(30_000);
    }
    const listings = engine.calls.filter((made) => made === 'listImages').length - before;
    expect(listings).toBeGreaterThanOrEqual(11);
    expect(listings).toBeLessThanOrEqual(12);
  });

  it('does not pull an image again whose pull ended while the engine told what containers use', async () => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    const old = engine.put(`${ADDRESS}/acme/old:1`);
    const { desire, clock, phases } = startStage({ engine });
    engine.evict(old.id);
    engine.pullsFinishAtOnce = true;
    await desire({ old: 'acme/old:1' }, { unlisted: 'remove' });
    engine.pullsFinishAtOnce = false;
    engine.idsInUse.add(old.id);
    await desire({ camera: 'acme/camera:1' }, { unlisted: 'remove' });
    const { listImageIdsInUse } = engine;
    const { promise, resolve } = Promise.withResolvers<void>();
    engine.listImageIdsInUse = async (signal) => {
      engine.listImageIdsInUse = listImageIdsInUse;
      await promise;
      return listImageIdsInUse(signal);
    };
    engine.put('somebody.example/elses:1');
    await clock.advance(1000);
    engine.pulls[0]?.finish();
    await clock.settle();
    resolve();
    await clock.advance(5000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    const pulls = engine.calls.filter((made) => made.startsWith(`pull ${CAMERA}`));
    expect(pulls).toHaveLength(1);
  });

  it('does not take an image for evicted that was pulled while the engine listed its images', async () => {
    const engine = createFakeEngine();
    const list = engine.listImages;
    const gate = Promise.withResolvers<void>();
    let isHeld = false;
    engine.listImages = async (signal) => {
      const images = await list(signal);
      if (isHeld) await gate.promise;
      return images;
    };
    const { desire, clock, image } = startStage({ engine });
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    isHeld = true;
    engine.put('127.0.0.1:8000/unrelated:1');
    await clock.settle();
    engine.pulls[0]?.finish();
    await clock.settle();
    isHeld = false;
    gate.resolve();
    await clock.advance(2000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled' });
    expect(image('camera')).not.toHaveProperty('evictions');
    expect(engine.calls.filter((made) => made.startsWith('pull'))).toHaveLength(1);
  });
});

describe('methods', () => {
  it('answer 400 for a payload that does not fit, and 404 for a name that is not desired', async () => {
    const { desire, call } = startStage();
    await desire({});
    expect(await call('GetStatus', [])).toMatchObject({ status: 400 });
    expect(await call('PullImages', { images: ['nobody'] })).toMatchObject({ status: 404 });
  });

  it('answer 500 for a fault of the module, whose cause is in the log alone', async () => {
    const { desire, call, engine, logs } = startStage();
    await desire({});
    engine.listImages = () => Promise.reject(new TypeError('no such thing'));
    const { status, payload } = await call('RemoveImages', { images: ['127.0.0.1:8000/acme/old:1'] });
    expect([status, JSON.stringify(payload)]).toEqual([500, expect.not.stringContaining('no such thing')]);
    expect(logs.join()).toMatch(/error a method ended in an unexpected error .*RemoveImages/);
  });

  it('answer GetStatus with who is away, since when and why, and nothing of it where nobody is', async () => {
    const { desire, call, engine, hub, clock } = startStage();
    await desire({});
    expect((await call('GetStatus')).payload).not.toHaveProperty('away');
    engine.isAway = true;
    engine.endEvents();
    hub.disconnect();
    await clock.advance(60_000);
    expect((await call('GetStatus')).payload).toMatchObject({
      away: {
        engine: {
          since: '2026-11-24T12:00:01Z',
          reason: 'EngineUnavailable',
          message: 'the engine is away',
          advice: expect.stringContaining('GroupAdd'),
        },
        edgeHub: { since: '2026-11-24T12:00:01Z' },
      },
    });
    expect((await call('PullImages')).payload).toEqual({
      reason: 'EngineUnavailable',
      message: 'The Docker engine does not answer; see GetStatus, or `status` at the device.',
    });
  });

  it('answer GetStatus in pages of less than 100 KB, in whatever script names are written', async () => {
    const { desire, call } = startStage();
    const written = '\u8aad'.repeat(250);
    const names = Array.from({ length: 300 }, (_, index) => `image${index + 100}`);
    await desire(Object.fromEntries(names.map((name) => [name, written])));
    const found: string[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const { payload } = await call('GetStatus', { after });
      expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThan(100_000);
      const page = payload as { readonly images: object; readonly next?: string };
      found.push(...Object.keys(page.images));
      after = page.next;
    }
    expect(found).toEqual(names);
  });
});

describe('what goes wrong', () => {
  it('looks for a missing manifest without pulling, and pulls as soon as it is there', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    expect(phases()).toEqual({ camera: 'Failed NotFound' });
    await clock.advance(60_000);
    const pulls = engine.calls.filter((call) => call.startsWith('pull'));
    expect(pulls).toHaveLength(1);
    engine.serve(CAMERA);
    await clock.advance(15 * 60_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it('never lets one failing image stop the others', async () => {
    const { engine, desire, phases, hub } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1', missing: 'acme/none', bad: { image: 'NOT VALID' }, worse: 7 });
    expect(phases()).toEqual({
      camera: 'Pulled',
      missing: 'Failed NotFound',
      bad: 'Failed InvalidImage',
      worse: 'Failed InvalidImage',
    });
    expect(hub.reported['lastDesiredStatus']).toMatchObject({ code: 400 });
  });

  it('keeps the last valid document when a wholly invalid one comes', async () => {
    const { engine, desire, hub, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    hub.setDesired({ schemaVersion: '2.0', images: {} });
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported).toMatchObject({ lastDesiredVersion: 1, lastDesiredStatus: { code: 412 } });
  });

  it('removes nothing when edgeHub answers with an empty document', async () => {
    const { engine, desire, hub, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' }, { unlisted: 'remove' });
    hub.serve({ desired: {} });
    await clock.advance(10 * 60_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(engine.calls.filter((call) => call.startsWith('untag'))).toEqual([]);
  });

  it('ignores an older document that comes late', async () => {
    const { engine, desire, hub, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({});
    await desire({ camera: 'acme/camera:1' });
    hub.serve({ desired: { $version: 1 } });
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it('pulls an image again that vanished from the engine, counts it, and spreads the pull', async () => {
    const { engine, desire, clock, phases, image } = startStage({ random: 0.5 });
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    engine.evict(CAMERA);
    await clock.advance(1500);
    expect(phases()).toEqual({ camera: 'Waiting Queued' });
    await clock.advance(5000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', evictions: 1 });
  });

  it('says that the engine is away, and is ready again when it is back', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    engine.isAway = true;
    engine.endEvents();
    await clock.advance(3000);
    expect(phases()).toEqual({ camera: 'Failed EngineUnavailable' });
    engine.isAway = false;
    await clock.advance(7000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it('notices an engine that is away by a question about a registry, and logs in as soon as it is back', async () => {
    const { engine, hub, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    engine.isAway = true;
    const office = { address: '10.0.0.9:5000', username: 'device', password: 'one' };
    const plant = { address: ADDRESS, username: 'device', password: 'one' };
    const settings = { retryInitialSeconds: 3600, retryMaxSeconds: 3600 };
    await desire({ camera: `${ADDRESS}/acme/camera:1` }, settings, {
      registryCredentials: { plant, office },
    });
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Failed EngineUnavailable' });
    expect(hub.reported['registries']).toMatchObject({ office: { reason: 'EngineUnavailable' } });
    engine.isAway = false;
    await clock.advance(7000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported['registries']).toMatchObject({ office: { login: 'Succeeded' } });
  });

  it('ends every pull in flight when one stalls, and pulls the others at once', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.serve('10.0.0.9:5000/gate:1');
    await desire({ camera: 'acme/camera:1', gate: '10.0.0.9:5000/gate:1' }, { stallTimeoutSeconds: 60 });
    await clock.advance(30_000);
    engine.pulls.find(({ reference }) => reference.includes('gate'))?.layer('a', { kind: 'waiting' });
    await clock.advance(31_000);
    expect(phases()).toEqual({ camera: 'Failed Stalled', gate: 'Pulling' });
    expect(engine.pulls.map(({ reference }) => reference)).toEqual(['10.0.0.9:5000/gate:1']);
  });

  it('heals a report that was refused without a word by what the twin shows later', async () => {
    const { engine, desire, hub, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' });
    await clock.advance(120_000);
    hub.serve({ desired: hub.desired, reported: { leftover: true } });
    await clock.advance(2000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(hub.reported['leftover']).toBeUndefined();
  });
});

describe('a clock that is set', () => {
  it('back by hours while a pass works, between any two readings of it: no pull is ended', async () => {
    const ends: string[] = [];
    let readings = Infinity;
    for (let jumpAt = 1; readings >= jumpAt - 1; jumpAt += 1) {
      const engine = createFakeEngine();
      engine.serve(CAMERA);
      const { desire, clock, logs, stop } = startStage({ engine });
      await desire({ camera: CAMERA });
      engine.pulls[0]?.layer('a', { kind: 'downloading', currentBytes: 1, totalBytes: 2 });
      const { nowMs } = clock;
      readings = 0;
      Object.assign(clock, {
        nowMs() {
          readings += 1;
          if (readings === jumpAt) clock.jump(-5 * 3_600_000);
          return nowMs();
        },
      });
      engine.put('somebody.example/elses:1');
      await clock.advance(3000);
      ends.push(...logs.filter((line) => line.includes('pull cancelled')));
      await stop();
    }
    expect(ends).toEqual([]);
    expect(readings).toBeGreaterThan(4);
  });

  it.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])(
    '%s by a day: nothing stalls or times out, retries keep their delay, reports go on',
    async (_way, byMs) => {
      const { engine, desire, clock, phases, image } = startStage();
      engine.serve(CAMERA);
      await desire({ camera: 'acme/camera:1', missing: 'acme/none' }, { retryInitialSeconds: 100 });
      clock.jump(byMs);
      engine.pulls[0]?.layer('a', { kind: 'downloading', currentBytes: 1, totalBytes: 2 });
      await clock.advance(95_000);
      expect(phases()).toEqual({ camera: 'Pulling', missing: 'Failed NotFound' });
      expect(image('missing')).not.toHaveProperty('attempts', 2);
      await clock.advance(10_000);
      expect(image('missing')).toMatchObject({ attempts: 2 });
      engine.pulls[0]?.finish();
      await clock.advance(1000);
      expect(phases()).toMatchObject({ camera: 'Pulled' });
    },
  );

  it.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('%s by a day in the middle of an attempt: the next one comes in its time', async (_way, byMs) => {
    const engine = createFakeEngine();
    const { pull } = engine;
    let isSet = false;
    engine.pull = (request) => {
      if (!isSet) clock.jump(byMs);
      isSet = true;
      return pull(request);
    };
    const { desire, clock, image } = startStage({ engine });
    await desire({ missing: 'acme/none' }, { retryInitialSeconds: 100 });
    await clock.advance(90_000);
    expect(image('missing')).toMatchObject({ phase: 'Failed', attempts: 1 });
    await clock.advance(40_000);
    expect(image('missing')).toMatchObject({ attempts: 2 });
  });

  const JUMPS = [
    ['forward by hours', 3 * 3_600_000],
    ['from 1970', 56 * 365 * 86_400_000],
    ['back by a day', -86_400_000],
  ] as const;
  const SETTINGS = { retryInitialSeconds: 600, retryMaxSeconds: 600 };

  it.each(
    JUMPS.flatMap(([how, byMs]) =>
      (['PullImages', 'CheckRegistry'] as const).map((m) => [how, m, byMs] as const),
    ),
  )('%s before %s: the login is tried at once, and not when the jump is over', async (_how, method, byMs) => {
    const { engine, desire, clock, phases, call } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    engine.failures.set(ADDRESS, 'RegistryUnreachable');
    await desire({ camera: 'acme/camera:1' }, SETTINGS);
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Failed RegistryUnreachable' });
    engine.failures.delete(ADDRESS);
    clock.jump(byMs);
    await call(method);
    await clock.advance(5000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it.each(JUMPS)('%s while the engine comes back: the login is tried at once', async (_how, byMs) => {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const { login, fetchInfo } = engine;
    engine.login = async () => {
      engine.login = login;
      engine.isAway = true;
      throw new AgentError('EngineUnavailable', 'the engine is away');
    };
    const { clock, desire, phases } = startStage({ engine });
    await desire({ camera: 'acme/camera:1' }, SETTINGS);
    await clock.advance(20_000);
    expect(phases()).toEqual({ camera: 'Failed EngineUnavailable' });
    engine.isAway = false;
    engine.fetchInfo = async (...asked) => {
      engine.fetchInfo = fetchInfo;
      clock.jump(byMs);
      return fetchInfo(...asked);
    };
    await clock.advance(10_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });

  it.each(JUMPS)(
    '%s: retries keep their delay though somebody looks at the status first',
    async (_how, byMs) => {
      const { desire, clock, agent, image } = startStage();
      await desire({ missing: 'acme/none' }, SETTINGS);
      await clock.advance(60_000);
      clock.jump(byMs);
      agent.toOverview();
      await clock.advance(500_000);
      expect(image('missing')).toMatchObject({ attempts: 1 });
      await clock.advance(200_000);
      expect(image('missing')).toMatchObject({ attempts: 2 });
    },
  );
});

describe('changed wishes', () => {
  it('cancels the pull of an entry that is gone, and forgets the entry', async () => {
    const { engine, desire, phases } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    expect(engine.pulls).toHaveLength(1);
    await desire({});
    expect(engine.pulls).toHaveLength(0);
    expect(phases()).toEqual({});
  });

  it('asks the registry for the digest and does not pull an unmoved tag', async () => {
    const { engine, desire, clock } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' }, { refreshIntervalSeconds: 60 });
    await clock.advance(10 * 60_000);
    const checks = engine.calls.filter((call) => call.startsWith('fetchManifest'));
    expect(checks.length).toBeGreaterThanOrEqual(9);
    expect(engine.calls.filter((call) => call.startsWith('pull'))).toHaveLength(1);
  });

  it('pulls a moved tag at the next refresh', async () => {
    const { engine, desire, clock, image } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' }, { refreshIntervalSeconds: 60 });
    const digest = `sha256:${'b'.repeat(64)}`;
    engine.serve(CAMERA, { digest, id: digest });
    await clock.advance(70_000);
    expect(image('camera')).toMatchObject({ phase: 'Pulled', digest });
  });

  it('pulls once more when pullRequest changes, whatever the backoff', async () => {
    const { engine, desire } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: { image: 'acme/camera:1', pullRequest: 1 } });
    await desire({ camera: { image: 'acme/camera:1', pullRequest: 2 } });
    expect(engine.calls.filter((call) => call.startsWith('pull'))).toHaveLength(2);
  });

  it('untags what it pulled and nobody lists, and leaves what it did not pull', async () => {
    const { engine, desire, clock } = startStage();
    engine.put('127.0.0.1:8000/foreign:1');
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1', foreign: 'foreign:1' }, { unlisted: 'remove' });
    await desire({}, { unlisted: 'remove' });
    await clock.advance(2000);
    const removed = engine.calls.filter((call) => call.startsWith('untag'));
    expect(removed).toContain(`untag ${CAMERA}`);
    expect(removed.some((call) => call.includes('foreign'))).toBe(false);
  });

  it('takes names away one after another, and tries one that the engine refused a quarter of an hour later', async () => {
    const { engine, desire, clock } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const cloud = 'contoso.azurecr.io/acme/camera:1';
    await desire({ camera: { image: 'acme/camera:1', tagAs: [cloud] } }, { unlisted: 'remove' });
    await clock.advance(1000);
    const { untag } = engine;
    const began: string[] = [];
    let under = 0;
    engine.untag = async (reference, signal) => {
      under += 1;
      began.push(`${reference}${under > 1 ? ' beside another' : ''}`);
      await clock.sleep(10, signal);
      under -= 1;
      if (began.length === 1) throw new AgentError('Unknown', 'driver failed to remove root filesystem');
      return untag(reference, signal);
    };
    await desire({}, { unlisted: 'remove' });
    await clock.advance(5000);
    const [refused] = began;
    expect(began).toHaveLength(3);
    expect(new Set(began).size).toBe(3);
    expect(began.filter((call) => call.includes('beside'))).toEqual([]);
    await clock.advance(15 * 60_000);
    expect(began.slice(3)).toEqual([refused]);
    expect(await engine.listImages(new AbortController().signal)).toEqual([]);
  });

  it('tries one that the engine says a container uses no more often, though it listed no such container', async () => {
    const { engine, desire, clock } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: 'acme/camera:1' }, { unlisted: 'remove' });
    let asked = 0;
    engine.untag = async () => {
      if ((asked += 1) > 9) throw new AgentError('Unknown', 'asked without an end');
      return false;
    };
    await desire({}, { unlisted: 'remove' });
    // The image has two names.
    expect(asked).toBe(2);
    await clock.advance(14 * 60_000);
    expect(asked).toBe(2);
    await clock.advance(2 * 60_000);
    expect(asked).toBe(4);
  });

  it('leaves an image that was there before, even after it was pulled again by force', async () => {
    const { engine, desire, clock, call } = startStage();
    engine.put('127.0.0.1:8000/foreign:1');
    engine.pullsFinishAtOnce = true;
    await desire({ foreign: 'foreign:1' }, { unlisted: 'remove' });
    await call('PullImages', { force: true });
    await clock.advance(1000);
    expect(engine.calls.some((made) => made.startsWith('pull 127.0.0.1:8000/foreign:1'))).toBe(true);
    await desire({}, { unlisted: 'remove' });
    await clock.advance(2000);
    expect(engine.calls.filter((made) => made.startsWith('untag'))).toEqual([]);
  });

  it('tags the image under every tagAs before it counts as pulled', async () => {
    const { engine, desire, clock, phases } = startStage();
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    await desire({ camera: { image: 'acme/camera:1', tagAs: ['contoso.azurecr.io/acme/camera:1'] } });
    await clock.advance(1000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(engine.calls.some((call) => call.endsWith('contoso.azurecr.io/acme/camera:1'))).toBe(true);
  });
});

describe('the end', () => {
  it('cancels the pulls and sends a last report that does not say they go on', async () => {
    const { engine, desire, phases, stop } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: 'acme/camera:1' });
    await stop();
    expect(engine.pulls).toHaveLength(0);
    expect(phases()).toEqual({ camera: 'Waiting Queued' });
  });

  it('comes within 6 s though edgeHub has fallen silent with a report on its way', async () => {
    const { engine, hub, clock, desire, stop } = startStage();
    engine.serve(CAMERA);
    await desire({});
    hub.report = () => new Promise(() => undefined);
    await desire({ camera: 'acme/camera:1' });
    await clock.advance(2000);
    expect(engine.pulls).toHaveLength(1);
    let hasEnded = false;
    const stopped = stop().then(() => (hasEnded = true));
    await clock.advance(6000);
    await clock.settle();
    expect(hasEnded).toBe(true);
    await stopped;
  });

  it('carries over from the twin what it reported before a restart', async () => {
    const { engine, desire, hub, image } = startStage();
    const { digest } = engine.put(CAMERA).digests[0] === undefined ? { digest: '' } : engine.serve(CAMERA);
    const pulledAt = '2026-01-02T03:04:05Z';
    hub.serve({
      desired: {},
      reported: { images: { camera: { image: CAMERA, digest, pulledAt, evictions: 3, phase: 'Pulled' } } },
    });
    await desire({ camera: 'acme/camera:1' });
    expect(image('camera')).toMatchObject({ phase: 'Pulled', pulledAt, evictions: 3 });
  });

  it('carries nothing over from the twin that it reported of another image', async () => {
    const { engine, desire, hub, image } = startStage();
    engine.put(CAMERA);
    hub.serve({
      desired: {},
      reported: { images: { camera: { image: `${ADDRESS}/acme/camera:0`, evictions: 3, phase: 'Pulled' } } },
    });
    await desire({ camera: 'acme/camera:1' });
    expect(image('camera')).toMatchObject({ image: CAMERA, phase: 'Pulled' });
    expect(image('camera')).not.toHaveProperty('evictions');
  });
});
