import { describe, expect, test } from 'vitest';
import type { PullRequest } from '#agent/ports';
import { askEngineTwice, askRelayTwice } from '#agent/second-asking';
import type { LayerEvent } from '#core/progress';
import { AgentError, BrokenConnection } from '#core/reason';
import type { Reference } from '#core/reference';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { createManualClock } from '#test/fakes/manual-clock';
import type { ManualClock } from '#test/fakes/manual-clock';

const ADDRESS = '127.0.0.1:5000';
const APP: Reference = { registry: ADDRESS, repository: 'app', tag: '1' };
const BROKEN = new BrokenConnection('Get "http://127.0.0.1:5000/v2/": EOF');
const REFUSED = new AgentError('RegistryUnreachable', 'connection refused');

interface Pulling {
  readonly engine: FakeEngine;
  readonly clock: ManualClock;
  readonly ending: AbortController;
  readonly heard: LayerEvent['kind'][];
  /** The image, or the failure. */
  readonly outcome: Promise<unknown>;
}

function startPull(): Pulling {
  const engine = createFakeEngine();
  const clock = createManualClock(undefined, 0.5);
  const ending = new AbortController();
  const heard: LayerEvent['kind'][] = [];
  engine.serve(`${ADDRESS}/app:1`);
  const request: PullRequest = {
    reference: APP,
    credential: undefined,
    platform: undefined,
    signal: ending.signal,
    onLayer: (_layerId, { kind }) => void heard.push(kind),
  };
  const outcome = askEngineTwice(engine, clock)
    .pull(request)
    .catch((error: unknown) => error);
  return { engine, clock, ending, heard, outcome };
}

describe('a pull whose connection broke', () => {
  test('is asked for once more after a moment', async () => {
    const { engine, clock, heard, outcome } = startPull();
    engine.pulls[0]?.layer('aaa', { kind: 'downloading', currentBytes: 1 });
    engine.pulls[0]?.fail(BROKEN);
    await clock.advance(124);
    expect(engine.pulls).toHaveLength(0);
    await clock.advance(1);
    engine.pulls[0]?.layer('aaa', { kind: 'pulled' });
    engine.pulls[0]?.finish();
    expect(await outcome).toMatchObject({ digest: engine.served.get(`${ADDRESS}/app:1`)?.digest });
    expect(heard).toEqual(['downloading', 'pulled']);
  });

  test('fails where it breaks again', async () => {
    const { engine, clock, outcome } = startPull();
    engine.pulls[0]?.fail(BROKEN);
    await clock.advance(250);
    engine.pulls[0]?.fail(BROKEN);
    expect(await outcome).toBe(BROKEN);
    await clock.advance(60_000);
    expect(engine.calls).toHaveLength(2);
  });

  test('fails where the engine had tried a layer again by itself', async () => {
    const { engine, clock, outcome } = startPull();
    engine.pulls[0]?.layer('aaa', { kind: 'retrying' });
    engine.pulls[0]?.fail(BROKEN);
    expect(await outcome).toBe(BROKEN);
    await clock.advance(60_000);
    expect(engine.calls).toHaveLength(1);
  });

  test('is not asked for again once it is cancelled', async () => {
    const { engine, clock, ending, outcome } = startPull();
    engine.pulls[0]?.fail(BROKEN);
    await clock.settle();
    ending.abort(new Error('cancelled'));
    await outcome;
    await clock.advance(60_000);
    expect(engine.calls).toHaveLength(1);
  });
});

test('a pull that nobody takes a connection for fails at once', async () => {
  const { engine, clock, outcome } = startPull();
  engine.pulls[0]?.fail(REFUSED);
  expect(await outcome).toBe(REFUSED);
  await clock.advance(60_000);
  expect(engine.calls).toHaveLength(1);
});

describe('a question whose connection broke is asked once more', () => {
  const { signal } = new AbortController();
  const access = { address: ADDRESS, credential: undefined };
  const clock = { sleep: async () => undefined, random: () => 0 };

  /** Fails the first time, as a function that is asked again may. */
  function breakOnce<Asked extends unknown[], T>(
    ask: (...asked: Asked) => Promise<T>,
  ): { (...asked: Asked): Promise<T>; count: number } {
    const broken = Object.assign(
      (...asked: Asked): Promise<T> => {
        broken.count += 1;
        return broken.count === 1 ? Promise.reject(BROKEN) : ask(...asked);
      },
      { count: 0 },
    );
    return broken;
  }

  test('by the engine', async () => {
    const engine = createFakeEngine();
    const { digest } = engine.serve(`${ADDRESS}/app:1`);
    const login = breakOnce(engine.login);
    const fetchManifest = breakOnce(engine.fetchManifest);
    const asked = askEngineTwice({ ...engine, login, fetchManifest }, clock);
    await asked.login(ADDRESS, undefined, signal);
    expect(await asked.fetchManifest(APP, undefined, signal)).toMatchObject({ digest });
    expect([login.count, fetchManifest.count]).toEqual([2, 2]);
  });

  test('by the module itself', async () => {
    const engine = createFakeEngine();
    const { digest } = engine.serve(`${ADDRESS}/app:1`);
    const relay = createFakeRelay(engine);
    const login = breakOnce(relay.login);
    const fetchManifest = breakOnce(relay.fetchManifest);
    const fetchContent = breakOnce(relay.fetchContent);
    const asked = askRelayTwice({ ...relay, login, fetchManifest, fetchContent }, clock);
    await asked.login(access, signal);
    expect(await asked.fetchManifest(APP, access, signal)).toMatchObject({ digest });
    const platform = engine.info.platform;
    const question = { reference: APP, access, platform, wanted: undefined, signal };
    expect(await asked.fetchContent(question)).toMatchObject({ digest });
    expect([login.count, fetchManifest.count, fetchContent.count]).toEqual([2, 2, 2]);
  });
});
