import { expect, test } from 'vitest';
import fc from 'fast-check';
import { createTokenBucket } from '#relay/token-bucket';
import { createManualClock } from '#test/fakes/manual-clock';
import { failureOf, NEVER } from '#test/unit/relay/bench';

test('without a limit nobody waits', async () => {
  const bucket = createTokenBucket(createManualClock());
  for (let index = 0; index < 1000; index += 1) await bucket.take(1_000_000, NEVER);
  expect.assertions(0);
});

test('a limit is held over all who take, to a piece and a tenth of a second', async () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 20, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 10_000, max: 2_000_000 }), async (sizes, rate) => {
      const clock = createManualClock();
      const bucket = createTokenBucket(clock);
      bucket.setRate(rate);
      let passed = 0;
      for (const bytes of sizes) void bucket.take(bytes, NEVER).then(() => (passed += bytes));
      await clock.advance(1000);
      const all = sizes.reduce((total, bytes) => total + bytes, 0);
      expect(passed).toBeGreaterThanOrEqual(Math.min(all, rate));
      expect(passed).toBeLessThanOrEqual(rate * 1.1 + 65_536);
    }),
    { numRuns: 30 },
  );
});

test('a limit that is raised or lifted counts at once', async () => {
  const clock = createManualClock();
  const bucket = createTokenBucket(clock);
  bucket.setRate(1);
  await bucket.take(1_000_000, NEVER);
  let isPassed = false;
  void bucket.take(1, NEVER).then(() => (isPassed = true));
  await clock.advance(5000);
  expect(isPassed).toBe(false);
  bucket.setRate(1_000_000);
  await clock.advance(2000);
  expect(isPassed).toBe(true);
  bucket.setRate(1);
  await bucket.take(1_000_000, NEVER);
  const lifted = bucket.take(1, NEVER);
  bucket.setRate(0);
  await expect(lifted).resolves.toBeUndefined();
});

test('time in which nobody takes is not saved up', async () => {
  const clock = createManualClock();
  const bucket = createTokenBucket(clock);
  bucket.setRate(100_000);
  await clock.advance(3_600_000);
  let passed = 0;
  for (let index = 0; index < 100; index += 1) void bucket.take(10_000, NEVER).then(() => (passed += 10_000));
  await clock.settle();
  expect(passed).toBeLessThanOrEqual(20_000);
});

test('whoever leaves while he waits takes nothing, and holds up nobody', async () => {
  const clock = createManualClock();
  const bucket = createTokenBucket(clock);
  bucket.setRate(1000);
  await bucket.take(1000, NEVER);
  const controller = new AbortController();
  const left = failureOf(bucket.take(1_000_000, controller.signal));
  let isPassed = false;
  void bucket.take(1, NEVER).then(() => (isPassed = true));
  controller.abort(new Error('left'));
  expect(await left).toMatchObject({ message: 'left' });
  await clock.advance(1000);
  expect(isPassed).toBe(true);
});
