import { expect, it } from 'vitest';
import type { Overview } from '#core/overview';
import { createLive } from '#web/live';
import type { Update } from '#web/live';
import { toSelection } from '#web/selection';
import { makeOverview, MISSING, NOW_MS, PULLED } from './overview.ts';

function follow(first: Overview, query = '') {
  let overview = first;
  const { next } = createLive(() => overview, toSelection(new URLSearchParams(query)));
  const read = (): Update | undefined => {
    const text = next();
    return text === undefined ? undefined : (JSON.parse(text) as Update);
  };
  return {
    read,
    become(changed: Overview): Update | undefined {
      overview = changed;
      return read();
    },
  };
}

it('tells everything first, then nothing while only time passes', () => {
  const overview = makeOverview({ images: { a: PULLED, b: MISSING } });
  const { read, become } = follow(overview);
  expect(read()).toMatchObject({ now: NOW_MS, title: '! 1/2', order: ['b', 'a'] });
  expect(become({ ...overview, nowMs: NOW_MS + 3_600_000 })).toBeUndefined();
});

it('tells one row while one image comes, and the new order when it is there', () => {
  const pulling = { ...PULLED, phase: 'Pulling', percent: 1 } as const;
  const { read, become } = follow(makeOverview({ images: { a: PULLED, b: pulling } }));
  read();
  const progress = become(makeOverview({ images: { a: PULLED, b: { ...pulling, percent: 2 } } }));
  expect(Object.keys(progress?.rows ?? {})).toEqual(['b']);
  expect(progress?.parts).toEqual({});
  expect(progress).not.toHaveProperty('order');
  const end = become(makeOverview({ images: { a: PULLED, b: PULLED } }));
  expect(end?.order).toEqual(['a', 'b']);
  expect(end?.parts.spoken).toContain('All 2 images');
});

it('says nothing new to a screen reader while an image comes', () => {
  const pulling = (percent: number) =>
    makeOverview({ images: { a: { ...PULLED, phase: 'Pulling', percent } } });
  const { read, become } = follow(pulling(1));
  read();
  for (let percent = 2; percent < 100; percent += 1)
    expect(become(pulling(percent))?.parts).not.toHaveProperty('spoken');
});

it('tells of an image that is gone by leaving it out of the order', () => {
  const { read, become } = follow(makeOverview({ images: { a: PULLED, b: PULLED } }));
  read();
  expect(become(makeOverview({ images: { b: PULLED } }))).toMatchObject({ order: ['b'], rows: {} });
});

it('tells only what the page shows', () => {
  const { read, become } = follow(makeOverview({ images: { a: PULLED, b: MISSING } }), 'show=Failed');
  expect(Object.keys(read()?.rows ?? {})).toEqual(['b']);
  const update = become(makeOverview({ images: { a: { ...PULLED, evictions: 1 }, b: MISSING } }));
  expect(update).toBeUndefined();
});
