import { describe, expect, it } from 'vitest';
import { createPassPace } from '#agent/pass-pace';
import { createWake } from '#agent/wake';
import { createManualClock } from '#test/fakes/manual-clock';

/** Passes that each judge for so long; the times at which they begin. */
async function startPasses(judgesMs: number) {
  const clock = createManualClock(0);
  const wake = createWake(clock);
  const pace = createPassPace(wake, clock);
  const ending = new AbortController();
  const begunMs: number[] = [];
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await wake.wait(Infinity, ending.signal);
      begunMs.push(clock.nowMs());
      pace.begin();
      await clock.sleep(judgesMs, ending.signal);
      pace.end();
    }
  };
  const ended = run();
  wake.ring();
  await clock.advance(judgesMs);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  return { clock, wake, pace, begunMs, stop };
}

describe('what ends by itself', () => {
  it('is looked at together with what ends within nine times as long as the pass before judged over 4 ms', async () => {
    const { clock, pace, begunMs, stop } = await startPasses(14);
    for (let ended = 0; ended < 20; ended += 1) {
      pace.ring();
      await clock.advance(4);
    }
    await clock.advance(100);
    await stop();
    expect(begunMs.slice(0, 2)).toEqual([0, 104]);
  });

  it('never waits for longer than a fifth of a second', async () => {
    const { clock, pace, begunMs, stop } = await startPasses(1000);
    pace.ring();
    await clock.advance(500);
    await stop();
    expect(begunMs.slice(0, 2)).toEqual([0, 1200]);
  });

  it('waits for nothing after a pass that took little time', async () => {
    const { clock, pace, begunMs, stop } = await startPasses(4);
    await clock.advance(5);
    pace.ring();
    await clock.settle();
    await stop();
    expect(begunMs.slice(0, 2)).toEqual([0, 9]);
  });
});

it('a pass that somebody asks for begins at once, however long the one before judged', async () => {
  const { clock, wake, pace, begunMs, stop } = await startPasses(10);
  pace.ring();
  await clock.advance(5);
  wake.ring();
  await clock.settle();
  await stop();
  expect(begunMs.slice(0, 2)).toEqual([0, 15]);
});
