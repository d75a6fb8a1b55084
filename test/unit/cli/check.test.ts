import { expect, it } from 'vitest';
import { check } from '#cli/check';
import type { CheckOptions } from '#cli/check';
import { showStatus } from '#cli/status';
import type { Session } from '#cli/session';

const plant = { address: 'plant:5000', ok: true, engine: [], relay: [], module: [] };

/** A session with a module that answers every call so, and what it was sent. */
function start(payload: object, status = 200) {
  const sent: unknown[] = [];
  let nowMs = 0;
  const session: Session = {
    async call(_method, asked) {
      sent.push(asked);
      return { status, payload: { ...payload } };
    },
    write: () => undefined,
    isTerminal: false,
    nowMs: () => nowMs,
    steadyMs: () => nowMs,
    async sleep(delayMs) {
      // A command that never ends would never let the test end.
      if (nowMs > 2 * 3_600_000) throw new Error('still watching');
      nowMs += delayMs;
    },
    version: '1.0.0',
  };
  return { session, sent, nowMs: () => nowMs };
}

const OPTIONS: CheckOptions = { registry: undefined, image: undefined, isJson: true };

it.each<[string, number, object]>([
  ['all can be pulled from', 0, { registries: { plant } }],
  ['one of two cannot', 1, { registries: { plant, office: { ...plant, ok: false } } }],
  ['some were not asked', 1, { registries: { plant }, omitted: 3 }],
])('a check where %s ends with %i', async (_, code, document) => {
  expect(await check(start(document).session, OPTIONS)).toBe(code);
});

it.each<[string, object]>([
  ['acme/camera', { repository: 'acme/camera' }],
  ['acme/camera:1.4', { repository: 'acme/camera', tag: '1.4' }],
  ['acme/camera@sha256:00', { repository: 'acme/camera', tag: 'sha256:00' }],
])('a check of %s asks for just that', async (image, target) => {
  const { session, sent } = start({ registries: { plant } });
  await check(session, { ...OPTIONS, registry: 'plant', image });
  expect(sent).toEqual([{ registry: 'plant', ...target }]);
});

const STATUS = {
  agent: { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z' },
  summary: { ready: true, desired: 0, pulled: 0, pulling: 0, waiting: 0, failed: 0 },
  registries: {},
  images: {},
};

it('the status ends with 0 where all is here and 1 where not, and is watched for an hour at most', async () => {
  const waiting = { ...STATUS, summary: { ...STATUS.summary, ready: false } };
  const once = { isWatched: false, isJson: true };
  expect(await showStatus(start(STATUS).session, once)).toBe(0);
  expect(await showStatus(start(waiting).session, once)).toBe(1);
  const { session, nowMs } = start(waiting);
  expect(await showStatus(session, { ...once, isWatched: true })).toBe(1);
  expect(nowMs()).toBe(3_600_000);
});
