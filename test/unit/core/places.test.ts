import { expect, it } from 'vitest';
import { isAskedLonger, withTimes } from '#core/places';
import type { PullTimes } from '#core/places';

const ANSWERS: PullTimes = { askedMs: 500, fetchedMs: 100 };
const BYTES: PullTimes = { askedMs: 500, fetchedMs: 5000 };

it.each([
  { recent: [], is: false, why: 'nothing came yet' },
  { recent: [ANSWERS], is: false, why: 'one image says little' },
  { recent: [ANSWERS, ANSWERS], is: true, why: 'both were asked for longer than fetched' },
  { recent: [ANSWERS, BYTES], is: false, why: 'one of two was' },
  { recent: [ANSWERS, BYTES, ANSWERS], is: true, why: 'the large one is alone' },
  { recent: [BYTES, ANSWERS, BYTES], is: false, why: 'the small one is alone' },
  { recent: [ANSWERS, ANSWERS, BYTES, BYTES], is: false, why: 'the first of four is forgotten' },
])('answers take longer than bytes: $is where $why', ({ recent, is }) => {
  const known = recent.reduce<readonly PullTimes[]>(withTimes, []);
  expect(known.length).toBeLessThanOrEqual(3);
  expect(isAskedLonger(known)).toBe(is);
});
