import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/merge-patch';
import { FAILURES } from '#core/reason';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const PLANT = { address: ADDRESS, username: 'device', password: 'one', password2: 'two' };

/** Desires a registry with two passwords, neither of which is right, and waits for the agent's own login. */
async function refuse({ engine, desire }: Stage): Promise<void> {
  engine.passwords.set(ADDRESS, { device: 'another' });
  const settings = { retryInitialSeconds: 3600, retryMaxSeconds: 3600 };
  await desire({}, settings, { registryCredentials: { plant: PLANT } });
  engine.calls.splice(0);
}

const countLogins = ({ engine }: Stage): number =>
  engine.calls.filter((call) => call.startsWith('login') && call.includes(' as ')).length;

describe('a check', () => {
  it('tries a refused password once a minute, however often and for whatever it is asked', async () => {
    const stage = startStage();
    await refuse(stage);
    for (let second = 0; second < 60; second += 1) {
      await stage.call('CheckRegistry', { repository: 'acme/app', tag: `t${second}` });
      await stage.call('CheckRegistry');
      await stage.clock.advance(1000);
    }
    expect(countLogins(stage)).toBe(2);
    await stage.call('CheckRegistry');
    expect(countLogins(stage)).toBe(4);
  });

  it('tries a password that was changed meanwhile at once', async () => {
    const stage = startStage();
    await refuse(stage);
    await stage.call('CheckRegistry');
    stage.engine.passwords.set(ADDRESS, { device: 'one' });
    await stage.desire({}, {}, { registryCredentials: { plant: { ...PLANT, password2: 'three' } } });
    const { payload } = await stage.call('CheckRegistry');
    expect(payload).toMatchObject({ registries: { plant: { ok: true } } });
  });

  it('is answered from the last one for ten seconds, which its date tells', async () => {
    const stage = startStage();
    await stage.desire({});
    const first = await stage.call('CheckRegistry');
    await stage.clock.advance(9000);
    expect(await stage.call('CheckRegistry')).toEqual(first);
    await stage.clock.advance(1000);
    expect(await stage.call('CheckRegistry')).not.toEqual(first);
  });

  it('ends in time whatever hangs, says what it did not come to, and keeps no such answer', async () => {
    const stage = startStage();
    const names = Array.from({ length: 20 }, (_, index) => `r${index + 10}`);
    const registryCredentials = Object.fromEntries(
      names.map((name, index) => [name, { address: `10.0.0.${index}:5000` }]),
    );
    await stage.desire({}, {}, { registryCredentials });
    const { login } = stage.engine;
    stage.engine.login = () => new Promise(() => undefined);
    const toResults = (payload: object): string[] =>
      Object.values(
        (payload as { registries: Record<string, { engine: Record<string, string>[] }> }).registries,
      ).map(({ engine }) => [engine[0]?.['result'], engine[0]?.['reason']].join(' ').trim());
    let results: string[] = [];
    void stage.call('CheckRegistry').then(({ payload }) => (results = toResults(payload)));
    await stage.clock.advance(20_000);
    expect(results.filter((result) => result === 'failed RegistryUnreachable')).toHaveLength(12);
    expect(results.filter((result) => result === 'skipped')).toHaveLength(8);

    stage.engine.login = login;
    const { payload } = await stage.call('CheckRegistry', { registry: 'r29' });
    expect(toResults(payload)).toEqual(['ok']);
  });

  it('is refused while the engine is away', async () => {
    const stage = startStage();
    await stage.desire({});
    stage.engine.isAway = true;
    stage.engine.endEvents();
    await stage.clock.advance(30_000);
    expect(await stage.call('CheckRegistry')).toMatchObject({ status: 503 });
  });

  it('of an engine that has just gone says that, nothing about the registry, and has it noticed', async () => {
    const stage = startStage();
    await stage.desire({});
    stage.engine.isAway = true;
    expect(stage.agent.toOverview().engine.state).toBe('up');
    const answer = stage.call('CheckRegistry');
    await stage.clock.advance(2000);
    expect(await answer).toMatchObject({ status: 503, payload: { reason: 'EngineUnavailable' } });
    expect(stage.agent.toOverview().engine.state).toBe('down');
  });

  it('tells a registry whose entry is at fault, beside the others in name order, and what to do', async () => {
    const stage = startStage();
    const office = { address: 'http://office:5000', username: 'device', password: 'one' };
    const registryCredentials = { plant: PLANT, office, twin: { ...PLANT, address: ADDRESS } };
    await stage.desire({}, {}, { registryCredentials });
    const all = await stage.call('CheckRegistry');
    const { registries } = all.payload as { registries: Record<string, object> };
    expect(Object.keys(registries)).toEqual(['office', 'plant', 'twin']);
    expect(registries['plant']).toMatchObject({ ok: true });
    expect(registries['office']).toEqual({
      address: '',
      ok: false,
      checkedAt: expect.any(String) as string,
      engine: [
        {
          step: 'entry',
          result: 'failed',
          reason: 'UnknownRegistry',
          message: expect.stringMatching(/^registryCredentials\.office\.address: must be host/) as string,
          advice: FAILURES.UnknownRegistry.advice,
        },
      ],
      relay: [],
      module: [],
    });
    const named = await stage.call('CheckRegistry', { registry: 'office', repository: 'acme/app' });
    expect(named).toMatchObject({ status: 200, payload: { registries: { office: { ok: false } } } });
    const addressed = await stage.call('CheckRegistry', { registry: ADDRESS });
    expect(addressed.payload).toMatchObject({ registries: { plant: { ok: true }, twin: { ok: false } } });
    expect(await stage.call('CheckRegistry', { registry: 'nobody' })).toMatchObject({ status: 404 });
  });

  it('counts a registry whose entry is at fault among several, of which one must be named', async () => {
    const stage = startStage();
    await stage.desire(
      {},
      {},
      { registryCredentials: { office: { address: 'http://office' }, plant: PLANT } },
    );
    expect(await stage.call('CheckRegistry', { repository: 'acme/app' })).toMatchObject({ status: 400 });
  });

  it('tells entries whose names break the rule too, whatever they are', async () => {
    const stage = startStage();
    const registryCredentials = JSON.parse(
      '{"plant:8000": {"address": "plant:8000"}, "a\\u001b[2J": {"address": "plant:8001"}, "__proto__": {"address": "plant:8002"}}',
    ) as JsonObject;
    await stage.desire({}, {}, { registryCredentials });
    const { payload } = await stage.call('CheckRegistry');
    const { registries } = payload as { registries: Record<string, { ok: boolean }> };
    expect(Object.entries(registries).map(([name, { ok }]) => `${name} ${ok}`)).toEqual([
      '__proto__ false',
      'a\uFFFD[2J false',
      'plant:8000 false',
    ]);
  });

  it('counts an entry whose name begins like that of another as far as names are shown', async () => {
    const stage = startStage();
    const name = 'x'.repeat(70);
    const entry = { address: 'http://office' };
    const registryCredentials = { [`${name}a`]: entry, [`${name}b`]: entry, plant: PLANT };
    await stage.desire({}, {}, { registryCredentials });
    expect(await stage.call('CheckRegistry')).toMatchObject({
      payload: { registries: { plant: { ok: true }, [`${'x'.repeat(63)}…`]: { ok: false } }, omitted: 1 },
    });
  });

  it('stays under 100 KB with entries at fault by the hundred, and counts what it leaves out', async () => {
    const stage = startStage();
    const names = Array.from({ length: 400 }, (_, index) => `r${index + 100}`);
    const registryCredentials = Object.fromEntries(names.map((name) => [name, { address: 'http://a/b' }]));
    await stage.desire({}, {}, { registryCredentials });
    const { payload } = await stage.call('CheckRegistry');
    const { registries, omitted } = payload as { registries: object; omitted: number };
    expect(JSON.stringify(payload).length).toBeLessThan(100_000);
    expect(Object.keys(registries).length + omitted).toBe(400);
  });
});
