import { describe, expect, test } from 'vitest';
import { createObserver } from '#agent/observe';
import type { Observer } from '#agent/observe';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { createManualClock } from '#test/fakes/manual-clock';
import type { ManualClock } from '#test/fakes/manual-clock';
import { ADDRESS, toReference } from '#test/unit/core/world';

const { signal } = new AbortController();

/** An observer of an engine that takes its time for a listing. */
function startObserver(listingMs = 0): {
  readonly engine: FakeEngine;
  readonly clock: ManualClock;
  readonly observer: Observer;
  /** What the engine is seen to have under a name, and how many listings there were so far. */
  look(name: string): Promise<{ readonly isThere: boolean; readonly listings: number }>;
  pull(repository: string): Promise<void>;
} {
  const engine = createFakeEngine();
  const clock = createManualClock();
  const list = engine.listImages;
  engine.listImages = async (listSignal) => {
    const images = await list(listSignal);
    await clock.sleep(listingMs, listSignal);
    return images;
  };
  const observer = createObserver(engine, clock);
  engine.pullsFinishAtOnce = true;
  return {
    engine,
    clock,
    observer,
    async look(name) {
      const looking = observer.observe(undefined, signal);
      await clock.advance(listingMs);
      const view = await looking;
      if (view.kind !== 'known') throw new Error(view.message);
      return {
        isThere: view.index.byName.has(name),
        listings: engine.calls.filter((call) => call === 'listImages').length,
      };
    },
    async pull(repository) {
      const reference = toReference(repository);
      engine.serve(`${ADDRESS}/${repository}:1`);
      const request = { reference, credential: undefined, platform: undefined, signal };
      const pulled = await engine.pull({ ...request, onLayer: () => undefined });
      observer.takePulled(reference, { ...pulled, transport: 'engine', hasDigest: true });
    },
  };
}

describe('what a pull brought', () => {
  test('is seen without another listing', async () => {
    const { look, pull } = startObserver();
    expect(await look(`${ADDRESS}/app:1`)).toEqual({ isThere: false, listings: 1 });
    await pull('app');
    expect(await look(`${ADDRESS}/app:1`)).toEqual({ isThere: true, listings: 1 });
  });

  test('is seen where the pull ended while the engine was being listed', async () => {
    const { look, pull, observer } = startObserver(100);
    const looking = look(`${ADDRESS}/app:1`);
    await pull('app');
    expect(await looking).toEqual({ isThere: true, listings: 1 });
    expect(observer.isStale).toBe(false);
    expect(await look(`${ADDRESS}/app:1`)).toEqual({ isThere: true, listings: 1 });
  });

  test('makes a look stale that began before, and not the next one', async () => {
    const { look, pull, observer } = startObserver();
    await look('any');
    await pull('app');
    expect(observer.isStale).toBe(true);
    await look('any');
    expect(observer.isStale).toBe(false);
  });

  test('is gone again when an event leads to a listing that does not have it', async () => {
    const { look, pull, observer, engine } = startObserver();
    await look('any');
    await pull('app');
    engine.evict(`${ADDRESS}/app:1`);
    observer.invalidate();
    expect(await look(`${ADDRESS}/app:1`)).toEqual({ isThere: false, listings: 2 });
  });
});

describe('events of the engine', () => {
  /** Counts rings; each is followed by a look, as in the loop. */
  function follow({ observer }: ReturnType<typeof startObserver>): {
    readonly rings: () => number;
    readonly stop: () => void;
  } {
    let rings = 0;
    const ending = new AbortController();
    void observer.follow(() => {
      rings += 1;
      void observer.observe(undefined, signal);
    }, ending.signal);
    return { rings: () => rings, stop: () => ending.abort() };
  }

  test('that come one by one are each looked after at once', async () => {
    const stage = startObserver(20);
    const { rings, stop } = follow(stage);
    for (let turn = 1; turn <= 3; turn += 1) {
      await stage.clock.advance(5000);
      const before = rings();
      stage.engine.put(`${ADDRESS}/app-${turn}:1`);
      expect(rings()).toBeGreaterThan(before);
    }
    stop();
  });

  test('that come in a stream cost one listing a second, and the last one is not forgotten', async () => {
    const stage = startObserver(50);
    const { rings, stop } = follow(stage);
    await stage.clock.advance(5000);
    const before = rings();
    for (let turn = 0; turn < 100; turn += 1) {
      stage.engine.put(`${ADDRESS}/app-${turn}:1`);
      await stage.clock.advance(50);
    }
    await stage.clock.advance(2000);
    expect(rings() - before).toBeGreaterThanOrEqual(5);
    expect(rings() - before).toBeLessThanOrEqual(7);
    expect((await stage.look(`${ADDRESS}/app-99:1`)).isThere).toBe(true);
    stop();
  });

  test('are looked after within a second of the last listing, however long that takes', async () => {
    const stage = startObserver(400);
    const { rings, stop } = follow(stage);
    await stage.clock.advance(5000);
    stage.engine.put(`${ADDRESS}/app-1:1`);
    await stage.clock.advance(500);
    const before = rings();
    stage.engine.put(`${ADDRESS}/app-2:1`);
    expect(rings()).toBe(before);
    await stage.clock.advance(1000);
    expect(rings()).toBe(before + 1);
    stop();
  });
});
