import { expect, it } from 'vitest';
import { createConnectionCuts } from '#lab/registry/connection-cuts';

/** Which of so many connections break on their first answer. */
function cutAmong(
  count: number,
  policy: { readonly every: number },
  cuts = createConnectionCuts(),
): number[] {
  const turns = Array.from({ length: count }, (_, index) => index + 1);
  return turns.filter(() => cuts.take({}, policy));
}

it('breaks one connection in so many, the same ones each time', () => {
  expect(cutAmong(12, { every: 5 })).toEqual([5, 10]);
  expect(cutAmong(3, { every: 1 })).toEqual([1, 2, 3]);
});

it('breaks a connection once, on its first answer, and counts it once', () => {
  const cuts = createConnectionCuts();
  const policy = { every: 2 };
  const [first, second] = [{}, {}];

  expect([first, first, second, second, first].map((connection) => cuts.take(connection, policy))).toEqual([
    false,
    false,
    true,
    false,
    false,
  ]);
});

it('begins to count anew when the switch is set again', () => {
  const cuts = createConnectionCuts();

  expect(cutAmong(4, { every: 5 }, cuts)).toEqual([]);
  expect(cutAmong(5, { every: 5 }, cuts)).toEqual([5]);
});
