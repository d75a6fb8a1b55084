import { expect, it } from 'vitest';
import { pull } from '#cli/pull';
import type { Answer } from '#cli/client';
import type { Session } from '#cli/session';

const STATUS = {
  agent: { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z' },
  summary: { ready: false, desired: 1, pulled: 0, pulling: 0, waiting: 1, failed: 0 },
  registries: {},
  images: { camera: { image: 'plant:5000/camera:1', phase: 'Waiting', reason: 'Paused' } },
};

const OPTIONS = { names: [], isForced: false, isAwaited: true, isJson: false };

it('goes on for the others when an image that it waits for is no longer desired', async () => {
  let looks = 0;
  let text = '';
  const isDesired = (name: string): boolean => name === 'camera' || looks === 0;
  const answer = (method: string, { images: names }: { images?: readonly string[] }): Answer => {
    const phase = looks < 2 ? 'Waiting' : 'Pulled';
    const images = {
      camera: { image: 'plant:5000/camera:1', phase },
      gate: { image: 'plant:5000/gate:1', phase },
    };
    switch (method) {
      case 'PullImages':
        return { status: 202, payload: { correlationId: 'task-1', images: Object.keys(images) } };
      case 'GetTaskStatus':
        return { status: 200, payload: { status: looks < 2 ? 'Running' : 'Failed' } };
      default: {
        if (names?.every(isDesired) === false) return { status: 404, payload: { message: 'not desired' } };
        const shown = Object.entries(images).filter(([name]) => isDesired(name));
        return { status: 200, payload: { ...STATUS, images: Object.fromEntries(shown) } };
      }
    }
  };
  const session: Session = {
    call: async (method, payload = {}) => answer(method, payload),
    write: (written) => void (text += written),
    isTerminal: false,
    nowMs: () => looks * 1000,
    steadyMs: () => looks * 1000,
    sleep: async () => void (looks += 1),
    version: '1.0.0',
  };
  expect(await pull(session, OPTIONS)).toBe(1);
  expect(text).toMatch(/^camera: Waiting\ngate: Waiting\ngate: no longer desired\ncamera: Pulled\n\n/);
});

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
    steadyMs: () => nowMs,
    sleep: async (delayMs) => {
      // A command that never ends would never let the test end.
      if (nowMs > 5 * 3_600_000) throw new Error('still waiting');
      nowMs += delayMs;
    },
    version: '1.0.0',
  };
  expect(await pull(session, OPTIONS)).toBe(1);
  expect(nowMs).toBe(4 * 3_600_000);
  expect(text).toMatch(/^camera: Waiting Paused\n\nconnected-registry-puller.*Not ready: 0 of 1 image/s);
});

it('waits for an image of which nobody has told yet where it stands', async () => {
  let looks = 0;
  let text = '';
  const gate = { image: 'plant:5000/gate:1', phase: 'Pulled' };
  const answers = (): Readonly<Record<string, object>> => ({
    PullImages: { correlationId: 'task-1', images: ['gate'] },
    GetTaskStatus: { status: looks < 2 ? 'Running' : 'Completed', images: {} },
    GetStatus: { ...STATUS, images: looks < 2 ? {} : { gate } },
  });
  const session: Session = {
    call: async (method) => ({ status: 200, payload: { ...answers()[method] } }),
    write: (written) => void (text += written),
    isTerminal: false,
    nowMs: () => looks * 1000,
    steadyMs: () => looks * 1000,
    sleep: async () => void (looks += 1),
    version: '1.0.0',
  };
  expect(await pull(session, { ...OPTIONS, names: ['gate'] })).toBe(0);
  expect(text).toMatch(/^gate: Pulled\n/);
});

it('goes on waiting though the clock is set from 1970 meanwhile', async () => {
  let looks = 0;
  const answers = (): Readonly<Record<string, object>> => ({
    PullImages: { correlationId: 'task-1', images: ['camera'] },
    GetTaskStatus: { status: looks < 5 ? 'Running' : 'Completed', images: {} },
    GetStatus: { ...STATUS, summary: { ...STATUS.summary, ready: true } },
  });
  const session: Session = {
    call: async (method) => ({ status: 200, payload: { ...answers()[method] } }),
    write: () => undefined,
    isTerminal: false,
    nowMs: () => looks * 1000 + (looks < 2 ? 0 : 56 * 365 * 86_400_000),
    steadyMs: () => looks * 1000,
    sleep: async () => void (looks += 1),
    version: '1.0.0',
  };
  expect([await pull(session, OPTIONS), looks]).toEqual([0, 5]);
});

it('is not well where images came to be desired just after there were none to ask for', async () => {
  const answers: Readonly<Record<string, object>> = {
    PullImages: { correlationId: 'task-1', images: [] },
    GetTaskStatus: { status: 'Completed', images: {} },
    GetStatus: { ...STATUS, lastDesiredVersion: 1 },
  };
  const session: Session = {
    call: async (method) => ({ status: 200, payload: { ...answers[method] } }),
    write: () => undefined,
    isTerminal: false,
    nowMs: () => 0,
    steadyMs: () => 0,
    sleep: async () => undefined,
    version: '1.0.0',
  };
  expect(await pull(session, OPTIONS)).toBe(1);
});
