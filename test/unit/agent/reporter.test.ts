import { expect, it, onTestFinished } from 'vitest';
import { createReporter } from '#agent/reporter';
import { createTally } from '#core/tally';
import type { JsonObject } from '#core/merge-patch';
import { createFakeHub } from '#test/fakes/fake-hub';
import { createManualClock } from '#test/fakes/manual-clock';

/** A reporter that runs until it is told to end, or the test does. */
function startReporter(toDocument: () => JsonObject) {
  const hub = createFakeHub();
  const clock = createManualClock();
  const errors: string[] = [];
  const nothing = (): void => undefined;
  const reporter = createReporter({
    hub,
    clock,
    log: { debug: nothing, info: nothing, warn: nothing, error: (_fields, text) => errors.push(text) },
    tally: createTally(),
    toDocument,
    toIntervalMs: () => 1000,
  });
  const ending = new AbortController();
  const running = reporter.run(ending.signal);
  const end = (): void => ending.abort();
  onTestFinished(async () => {
    end();
    await clock.advance(1000);
    await running;
  });
  return { hub, clock, errors, reporter, end };
}

it('goes on after a report that could not be made', async () => {
  let toDocument = (): JsonObject => {
    throw new RangeError('Invalid time value');
  };
  const { hub, clock, errors } = startReporter(() => toDocument());
  hub.setDesired({});
  await clock.advance(1000);
  expect(errors).toHaveLength(1);
  toDocument = () => ({ images: {} });
  await clock.advance(10_000);
  expect(hub.patches).toEqual([{ images: {} }]);
});

it('does not send what edgeHub would refuse without a word, and says so', async () => {
  let document: JsonObject = { images: { 'a.b': { phase: 'Pulled' } } };
  const { hub, clock, errors } = startReporter(() => document);
  hub.setDesired({});
  await clock.advance(3000);
  expect(hub.patches).toEqual([]);
  expect(errors).toHaveLength(1);
  document = { images: { ab: { phase: 'Pulled' } } };
  await clock.advance(10_000);
  expect(hub.patches).toEqual([document]);
});

it('makes one document for a report, however often it is rung between two', async () => {
  let documents = 0;
  const { hub, clock, reporter } = startReporter(() => ({ count: (documents += 1) }));
  hub.setDesired({});
  await clock.advance(3000);
  const before = { documents, patches: hub.patches.length };
  for (let ring = 0; ring < 100; ring += 1) {
    reporter.ring();
    await clock.advance(100);
  }
  const patches = hub.patches.length - before.patches;
  expect(patches).toBeGreaterThanOrEqual(10);
  expect(documents - before.documents).toBe(patches);
});

it('sends nothing for five seconds after a report that was refused, however often it is rung', async () => {
  let count = 0;
  const { hub, clock, reporter } = startReporter(() => ({ count: (count += 1) }));
  let reports = 0;
  hub.report = async () => {
    reports += 1;
    throw Object.assign(new Error('refused'), { name: 'ReportRefused' });
  };
  hub.setDesired({});
  await clock.advance(1000);
  expect(reports).toBe(1);
  for (let ring = 0; ring < 30; ring += 1) {
    reporter.ring();
    await clock.advance(500);
  }
  expect(reports).toBeGreaterThanOrEqual(3);
  expect(reports).toBeLessThanOrEqual(4);
});

it('sends what was refused at once over another connection', async () => {
  const { hub, clock } = startReporter(() => ({ phase: 'Pulled' }));
  hub.refuses = true;
  hub.setDesired({});
  await clock.advance(1000);
  hub.disconnect();
  hub.refuses = false;
  hub.connect();
  await clock.advance(1000);
  expect(hub.patches).toEqual([{ phase: 'Pulled' }]);
});

it('believes what it sent a moment ago over a twin that does not show it yet, and later the twin', async () => {
  const { hub, clock } = startReporter(() => ({ phase: 'Pulled' }));
  hub.serve({ desired: {}, reported: {} });
  await clock.advance(5000);
  expect(hub.patches).toEqual([{ phase: 'Pulled' }]);
  hub.serve({ desired: {}, reported: {} });
  await clock.advance(5000);
  expect(hub.patches).toHaveLength(1);
  await clock.advance(60_000);
  hub.serve({ desired: {}, reported: {} });
  await clock.advance(5000);
  expect(hub.patches).toHaveLength(2);
});

it('sends the last report after one that is under way, and all that changed since', async () => {
  let phase = 'Pulling';
  const { hub, clock, reporter, end } = startReporter(() => ({ phase }));
  const { report } = hub;
  hub.report = async (patch) => {
    await report(patch);
    await clock.sleep(900, new AbortController().signal);
  };
  hub.serve({ desired: {}, reported: { phase: 'Waiting' } });
  await clock.advance(500);
  expect(hub.reported).toEqual({ phase: 'Pulling' });
  end();
  phase = 'Waiting';
  const flushed = reporter.flush(AbortSignal.timeout(3000));
  await clock.advance(3000);
  await flushed;
  expect(hub.reported).toEqual({ phase: 'Waiting' });
});
