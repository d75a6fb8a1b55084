import { expect, it } from 'vitest';
import type { Session } from '#cli/session';
import { fetchStatus, showStatus } from '#cli/status';
import { toPage } from '#contract/status-page';

it('registries and images of all pages are put together', async () => {
  const toEntries = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => [`${prefix}${index}`, { message: 'm'.repeat(300) }] as const);
  const paged = { registries: toEntries('r', 300), images: toEntries('i', 500) };
  let calls = 0;
  const call: Session['call'] = async (_method, payload) => {
    calls += 1;
    return { status: 200, payload: { ...toPage(paged, Object(payload).after, 90_000) } };
  };
  const { registries, images } = await fetchStatus({ call } as Session);
  expect(calls).toBeGreaterThan(3);
  expect(Object.keys(registries)).toHaveLength(300);
  expect(Object.keys(images)).toHaveLength(500);
});

it('an hour is watched for, and no less where the clock is set from 1970 meanwhile', async () => {
  let steadyMs = 0;
  let looks = 0;
  const session: Session = {
    call: async () => {
      looks += 1;
      return {
        status: 200,
        payload: { agent: { version: '1.0.0' }, summary: {}, registries: {}, images: {} },
      };
    },
    write: () => undefined,
    isTerminal: true,
    nowMs: () => steadyMs + (looks < 2 ? 0 : 56 * 365 * 86_400_000),
    steadyMs: () => steadyMs,
    sleep: async (delayMs) => void (steadyMs += delayMs),
    version: '1.0.0',
  };
  expect(await showStatus(session, { isWatched: true, isJson: false })).toBe(1);
  expect([steadyMs, looks]).toEqual([3_600_000, 1801]);
});
