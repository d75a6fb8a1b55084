import { expect, onTestFinished, test } from 'vitest';
import { NO_FAULTS } from '#lab/edge/faults';
import { createSync } from '#lab/edge/sync';
import { createTwin } from '#lab/edge/twin';
import { createManualClock } from '#test/fakes/manual-clock';

function startSync(syncDelayMs: number) {
  const twin = createTwin();
  const clock = createManualClock();
  const faults = { ...NO_FAULTS, syncDelayMs };
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  let told = 0;
  const passUp = createSync({
    twin,
    faults,
    onSynchronised: () => (told += 1),
    signal: ending.signal,
    sleep: (delayMs, _value, { signal }) => clock.sleep(delayMs, signal),
  });
  const report = (patch: object): void => {
    twin.report({ ...patch });
    passUp();
  };
  return { twin, clock, faults, report, passUp, toTold: () => told };
}

test('the first report is passed up at once, and what comes within the delay together', async () => {
  const { twin, clock, report, toTold } = startSync(5000);
  report({ a: 1 });
  expect(twin.reported()).toMatchObject({ a: 1 });
  report({ a: 2 });
  await clock.advance(1000);
  report({ b: 1 });
  expect(twin.reported()).toEqual({ a: 1, $version: 2 });
  await clock.advance(4000);
  expect(twin.reported()).toEqual({ a: 2, b: 1, $version: 3 });
  report({ a: 3 });
  await clock.advance(4000);
  expect(twin.reported()).toMatchObject({ a: 2 });
  await clock.advance(60_000);
  report({ a: 4 });
  expect(twin.reported()).toMatchObject({ a: 4 });
  expect(toTold()).toBe(4);
});

test('without a delay each is passed up at once, and what waits when that is taken away', () => {
  const { twin, faults, report, passUp } = startSync(0);
  report({ a: 1 });
  report({ a: 2 });
  expect(twin.reported()).toEqual({ a: 2, $version: 3 });
  faults.syncDelayMs = 5000;
  report({ a: 3 });
  report({ a: 4 });
  expect(twin.reported()).toMatchObject({ a: 3 });
  faults.syncDelayMs = 0;
  passUp();
  expect(twin.reported()).toMatchObject({ a: 4 });
});

test('nothing is passed up while IoT Hub is away', async () => {
  const { twin, clock, faults, report, passUp } = startSync(5000);
  report({ a: 1 });
  report({ a: 2 });
  faults.upstreamAway = true;
  await clock.advance(60_000);
  expect(twin.reported()).toMatchObject({ a: 1 });
  faults.upstreamAway = false;
  passUp();
  expect(twin.reported()).toMatchObject({ a: 2 });
});
