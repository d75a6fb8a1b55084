import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, jitterMs } from '#core/backoff';

const policy = { retryInitialSeconds: 10, retryMaxSeconds: 900 };
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyPolicy = fc.record({
  retryInitialSeconds: fc.integer({ min: 1, max: 3600 }),
  retryMaxSeconds: fc.integer({ min: 1, max: 86_400 }),
});

describe('the delay before the next attempt', () => {
  it.each([
    [1, 0, 10_000],
    [2, 0, 20_000],
    [3, 0, 40_000],
    [7, 0, 640_000],
    [8, 0, 900_000],
    [1000, 0, 900_000],
    [1, 0.5, 11_000],
    [8, 0.5, 810_000],
  ])('after %i failures, at chance %d, is %i ms', (failures, random, delayMs) => {
    expect(backoffMs(failures, policy, random)).toBe(delayMs);
  });

  it('is within the bounds of the settings, whatever they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), anyPolicy, anyRandom, (failures, settings, random) => {
        const delayMs = backoffMs(failures, settings, random);
        const { retryInitialSeconds, retryMaxSeconds } = settings;
        expect(delayMs).toBeGreaterThanOrEqual(Math.min(retryInitialSeconds, retryMaxSeconds) * 1000);
        expect(delayMs).toBeLessThanOrEqual(retryMaxSeconds * 1000);
        expect(Number.isInteger(delayMs)).toBe(true);
      }),
    );
  });

  it('is spread over a fifth, at the longest too, so that devices do not come back together', () => {
    for (const failures of [1, 4, 100]) {
      const delays = [0, 0.25, 0.5, 0.75, 0.999].map((random) => backoffMs(failures, policy, random));
      expect(new Set(delays).size).toBe(delays.length);
      expect(Math.max(...delays) / Math.min(...delays)).toBeGreaterThan(1.19);
    }
  });

  it('at the same chance doubles until it comes near the longest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), anyRandom, (failures, random) => {
        const [before, after] = [
          backoffMs(failures, policy, random),
          backoffMs(failures + 1, policy, random),
        ];
        fc.pre(after < policy.retryMaxSeconds * 800);
        expect(Math.abs(after - 2 * before)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

it('a timer is lengthened or shortened by up to a tenth', () => {
  expect(jitterMs(1000, 0)).toBe(900);
  expect(jitterMs(1000, 0.5)).toBe(1000);
  fc.assert(
    fc.property(fc.nat(100_000_000), anyRandom, (delayMs, random) => {
      const jittered = jitterMs(delayMs, random);
      expect(jittered).toBeGreaterThanOrEqual(Math.floor(delayMs * 0.9));
      expect(jittered).toBeLessThanOrEqual(Math.ceil(delayMs * 1.1));
    }),
  );
});
