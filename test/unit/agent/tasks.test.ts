import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createTasks } from '#agent/tasks';
import type { Outcome } from '#agent/tasks';
import type { Standing } from '#core/world';

const WAITING: Standing = { phase: 'Waiting', reason: 'Queued', message: '' };
const PULLED: Standing = { phase: 'Pulled', image: { id: 'a', tags: [], digests: [], sizeBytes: 1 } };

function startTasks() {
  let ids = 0;
  return createTasks(() => `task-${(ids += 1)}`);
}

it('a task runs until the demand for each of its images has ended, and then stays as it ended', () => {
  const tasks = startTasks();
  const id = tasks.begin(['a', 'b', 'c']);
  expect(tasks.find(id)).toEqual({ status: 'Running', images: { a: 'Waiting', b: 'Waiting', c: 'Waiting' } });
  const outcomes: Record<string, Outcome> = { a: 'met', b: 'pending', c: 'gone' };
  const standings = new Map<string, Standing>([
    ['a', PULLED],
    ['b', { phase: 'Pulling' }],
  ]);
  tasks.settle(standings, (name) => outcomes[name] ?? 'gone');
  expect(tasks.find(id)).toEqual({ status: 'Running', images: { a: 'Pulled', b: 'Pulling', c: 'Failed' } });
  tasks.settle(new Map([['b', PULLED]]), () => 'met');
  expect(tasks.find(id)).toEqual({ status: 'Failed', images: { a: 'Pulled', b: 'Pulled', c: 'Failed' } });
  const other = tasks.begin(['a']);
  tasks.settle(new Map([['a', PULLED]]), () => 'met');
  expect(tasks.find(other)).toEqual({ status: 'Completed', images: { a: 'Pulled' } });
});

it('of tasks the last hundred are kept', () => {
  const tasks = startTasks();
  for (let count = 0; count < 101; count += 1) tasks.begin(['a']);
  expect([tasks.find('task-1'), tasks.find('task-2')?.status]).toEqual([undefined, 'Running']);
});

it.each([
  ['that goes on', 'pending', WAITING],
  ['that has ended', 'met', PULLED],
] as const)(
  'a hundred tasks of two thousand images take less than a megabyte: of a demand %s',
  (_how, outcome, standing) => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const toNames = (): string[] => Array.from({ length: 2000 }, (_, index) => `image-of-some-line-${index}`);
    const standings = new Map(toNames().map((name) => [name, standing]));
    const tasks = startTasks();
    gc();
    const before = process.memoryUsage();
    for (let count = 0; count < 100; count += 1) {
      tasks.begin(toNames());
      tasks.settle(standings, () => outcome);
    }
    gc();
    const after = process.memoryUsage();
    expect(tasks.find('task-1')?.status).toBe(outcome === 'met' ? 'Completed' : 'Running');
    expect(after.heapUsed - before.heapUsed).toBeLessThan(1_000_000);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1_000_000);
  },
);
