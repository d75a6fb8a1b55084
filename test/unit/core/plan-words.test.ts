import { expect, it } from 'vitest';
import type { Plan } from '#core/plan';
import { toPlanWords } from '#core/plan-words';
import type { Action, Standing } from '#core/world';

const toPlan = (actions: readonly Action[], standings: readonly Standing[] = []): Plan => ({
  actions,
  standings: new Map(standings.map((standing, index) => [`image${index}`, standing])),
  settledDemands: new Map(),
  isReady: false,
});
const pull = (name: string): Action => ({ kind: 'pull', name });
const never = (): boolean => false;

it('a plan in words names the pulls that begin for the first time, and those that are ended', () => {
  const actions: Action[] = [
    { kind: 'login', registry: 'plant' },
    { kind: 'check', name: 'checked' },
    { kind: 'cancel', name: 'old', cause: 'Unwanted' },
    pull('camera'),
    pull('again'),
    pull('gate'),
  ];
  expect(toPlanWords(toPlan(actions), (name) => name === 'again').now).toBe(
    'pull camera, gate; cancel old (Unwanted)',
  );
  expect(toPlanWords(toPlan(actions.slice(0, 2)), never).now).toBe('');
});

it('a plan in words counts what is more than ten', () => {
  const names = Array.from({ length: 16 }, (_, index) => `i${index}`);
  expect(toPlanWords(toPlan(names.map(pull)), never).now).toMatch(/^pull i0, .*, i9 and 6 more$/);
});

it('a plan in words says what waits for something else than its turn, and for what', () => {
  const waiting = (reason: 'Queued' | 'Paused' | 'LowDisk', message: string): Standing => ({
    phase: 'Waiting',
    reason,
    message,
  });
  const standings = [
    waiting('Queued', 'Waits for a place.'),
    waiting('Paused', 'settings.paused is true.'),
    waiting('Paused', 'settings.paused is true.'),
    waiting('LowDisk', 'Too little.'),
  ];
  expect(toPlanWords(toPlan([], standings), never)).toEqual({
    now: '',
    waiting: '2 Paused: settings.paused is true. 1 LowDisk: Too little.',
  });
});
