import { expect, it } from 'vitest';
import { createPulse } from '#agent/pulse';

const MINUTE = 60_000;

it('a loop that rests for an hour beats, and no longer beats minutes after it should have come round', () => {
  let nowMs = 0;
  const pulse = createPulse(() => nowMs);
  pulse.rest(60 * MINUTE);
  nowMs = 61 * MINUTE;
  expect(pulse.isBeating()).toBe(true);
  nowMs = 63 * MINUTE;
  expect(pulse.isBeating()).toBe(false);
});

it('a loop that works without an end no longer beats, and beats again when it rests', () => {
  let nowMs = 0;
  const pulse = createPulse(() => nowMs);
  pulse.work();
  nowMs = 3 * MINUTE;
  expect(pulse.isBeating()).toBe(false);
  pulse.rest(0);
  expect(pulse.isBeating()).toBe(true);
});

it('a loop that never begins no longer beats', () => {
  let nowMs = 0;
  const pulse = createPulse(() => nowMs);
  expect(pulse.isBeating()).toBe(true);
  nowMs = 3 * MINUTE;
  expect(pulse.isBeating()).toBe(false);
});
