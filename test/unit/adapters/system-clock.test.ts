import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { systemClock } from '#adapters/system-clock';

test('a sleep ends when its time is over, and leaves no listener behind', async () => {
  const { signal } = new AbortController();
  const startedMs = performance.now();
  const sleeping = systemClock.sleep(30, signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await sleeping;
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(29);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a sleep that is woken ends at once and well', async () => {
  const waking = new AbortController();
  const sleeping = systemClock.sleep(3_600_000, waking.signal);
  waking.abort(new Error('never seen'));
  await expect(sleeping).resolves.toBeUndefined();
  await expect(systemClock.sleep(3_600_000, waking.signal)).resolves.toBeUndefined();
});
