import { expect, it } from 'vitest';
import type { Session } from '#cli/session';
import { fetchStatus } from '#cli/status';
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
