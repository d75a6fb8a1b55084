import { expect, it } from 'vitest';
import { createThrottle, pieceBytes } from '#lab/registry/throttle';

/** Sends pieces one after the other, each on its due time plus `lateMs`; returns how long all took. */
function transfer(lateMs: number): number {
  const throttle = createThrottle();
  let nowMs = 5000;
  for (let piece = 0; piece < 100; piece += 1) {
    const delayMs = throttle.delayMs(1000, 100_000, nowMs);
    nowMs += delayMs > 0 ? delayMs + lateMs : 0;
  }
  return nowMs - 5000;
}

it('spreads 100 kB at 100 kB/s over a second, but for the first burst', () => {
  expect(transfer(0)).toBeCloseTo(950);
});

it('makes up for timers that fire late', () => {
  expect(transfer(3)).toBeLessThan(970);
});

it('does not pay out the bandwidth of an idle time afterwards', () => {
  const throttle = createThrottle();
  throttle.delayMs(1000, 100_000, 0);

  expect(throttle.delayMs(100_000, 100_000, 60_000)).toBeCloseTo(950);
});

it.each([
  [5000, 512],
  [100_000, 5000],
  [Infinity, 65_536],
])('cuts a transfer of %d bytes a second into pieces of %d', (bytesPerSecond, expected) => {
  expect(pieceBytes(bytesPerSecond)).toBe(expected);
});
