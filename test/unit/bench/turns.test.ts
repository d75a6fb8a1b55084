import { expect, test } from 'vitest';
import { toOrder } from '../../../bench/turns.ts';

const NINE = 'abcdefghi'.split('');

test('each round has everybody once', () => {
  for (let round = 0; round < 9; round += 1) {
    expect(toOrder(NINE, round)).toHaveLength(NINE.length);
    expect(new Set(toOrder(NINE, round))).toEqual(new Set(NINE));
  }
});

test.each([3, 8, 9, 11])('in %i rounds of as many contenders each is first or last in turn', (count) => {
  const all = Array.from({ length: count }, (_, index) => index);
  const ends = all.map((round) => toOrder(all, round).at(round % 2 === 0 ? 0 : -1));
  expect(new Set(ends)).toEqual(new Set(all));
});

test('in two rounds nobody follows the same one', () => {
  const toPairs = (order: readonly string[]): string[] =>
    order.slice(1).map((name, index) => `${order[index]}${name}`);
  const first = toPairs(toOrder(NINE, 0));
  expect(toPairs(toOrder(NINE, 1)).filter((pair) => first.includes(pair))).toEqual([]);
});
