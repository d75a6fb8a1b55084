import { expect, it } from 'vitest';
import { toVerdict } from '../../../bench/verdicts.ts';

it('a bound is left by far where its best round is above the quick form’s, and not by one bad round', () => {
  const bound = { what: 'the module × the floor', value: 4, atMost: 1.05, quickAtMost: 3 };
  expect(toVerdict({ ...bound, least: 2 })).toEqual([{ what: bound.what, isKept: true }]);
  expect(toVerdict({ ...bound, least: 3.5 })).toEqual([
    { what: `${bound.what}: 3.50, at most 3`, isKept: false },
  ]);
  expect(toVerdict(bound)).toMatchObject([{ isKept: false }]);
});

it('what could not be measured is left by far, and what only the long form judges is not counted', () => {
  expect(toVerdict({ what: 'x', value: Number.NaN, atMost: 1, quickAtMost: 2 })).toMatchObject([
    { isKept: false },
  ]);
  expect(toVerdict({ what: 'x', value: 9, atMost: 1 })).toEqual([]);
});
