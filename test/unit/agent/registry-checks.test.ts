import { describe, expect, it } from 'vitest';
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
});
