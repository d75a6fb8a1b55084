import { expect, it } from 'vitest';
import { pull } from '#cli/pull';
import type { Session } from '#cli/session';

const STATUS = {
  agent: { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z' },
  summary: { ready: false, desired: 1, pulled: 0, pulling: 0, waiting: 1, failed: 0 },
  registries: {},
  images: { camera: { image: 'plant:5000/camera:1', phase: 'Waiting', reason: 'Paused' } },
};

it('waits no longer than four hours for what is paused', async () => {
  let nowMs = 0;
  let text = '';
  const answers: Readonly<Record<string, object>> = {
    PullImages: { correlationId: 'task-1', images: ['camera'] },
    GetTaskStatus: { status: 'Running', images: { camera: 'Waiting' } },
    GetStatus: STATUS,
  };
  const session: Session = {
    call: async (method) => ({ status: 200, payload: { ...answers[method] } }),
    write: (written) => void (text += written),
    isTerminal: false,
    nowMs: () => nowMs,
    sleep: async (delayMs) => {
      // A command that never ends would never let the test end.
      if (nowMs > 5 * 3_600_000) throw new Error('still waiting');
      nowMs += delayMs;
    },
    version: '1.0.0',
  };
  const options = { names: [], isForced: false, isAwaited: true, isJson: false };
  expect(await pull(session, options)).toBe(1);
  expect(nowMs).toBe(4 * 3_600_000);
  expect(text).toMatch(/^camera: Waiting Paused\n\nconnected-registry-puller.*Not ready: 0 of 1 image/s);
});
