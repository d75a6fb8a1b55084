import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseRange } from '#relay/byte-range';

it.each([
  [undefined, 'whole'],
  ['', 'whole'],
  ['bytes=-', 'whole'],
  ['bytes=5-2', 'whole'],
  ['bytes=0-1,4-5', 'whole'],
  ['lines=0-1', 'whole'],
  ['bytes=1e1-', 'whole'],
  ['bytes=0-', { first: 0, last: 9 }],
  [' Bytes=3-4 ', { first: 3, last: 4 }],
  ['bytes=3-99', { first: 3, last: 9 }],
  ['bytes=-3', { first: 7, last: 9 }],
  ['bytes=-99', { first: 0, last: 9 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  [`bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
])('%j of ten bytes is %j', (header, expected) => {
  expect(parseRange(header, 10)).toEqual(expected);
});

it('of nothing, no range can be had', () => {
  expect(['bytes=0-', 'bytes=-1', 'bytes=0-0'].map((header) => parseRange(header, 0))).toEqual([
    'unsatisfiable',
    'unsatisfiable',
    'unsatisfiable',
  ]);
});

it('a range never leaves what there is', () => {
  const part = fc.oneof(fc.nat(50).map(String), fc.constant(''), fc.string({ maxLength: 4 }));
  fc.assert(
    fc.property(part, part, fc.nat(40), (from, to, sizeBytes) => {
      const range = parseRange(`bytes=${from}-${to}`, sizeBytes);
      if (typeof range === 'string') return;
      expect(range.first).toBeGreaterThanOrEqual(0);
      expect(range.last).toBeGreaterThanOrEqual(range.first);
      expect(range.last).toBeLessThan(sizeBytes);
    }),
  );
});
