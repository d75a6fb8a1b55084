import { describe, expect, test } from 'vitest';
import { findReportFault, findSectionFault, measureTwinBytes } from '#lab/edge/twin-rules';

const faultOf = (patch: unknown): string | undefined =>
  findReportFault(patch, Buffer.byteLength(JSON.stringify(patch)));

/** `{ d: { d: … {} } }` with so many objects inside the outermost. */
function nest(depth: number): object {
  return depth === 0 ? {} : { d: nest(depth - 1) };
}

describe('edgeHub takes', () => {
  test.each([
    ['null, which deletes', { a: null, b: { c: null } }],
    ['arrays', { a: [1, 'x', [true]] }],
    ['ten nested objects', nest(10)],
    ['a string of 4096 bytes', { a: 'x'.repeat(4096) }],
    ['a key of 1024 bytes', { ['k'.repeat(1024)]: 1 }],
    ['the outermost integers', { a: 2 ** 52 - 1, b: -(2 ** 52) }],
    ['a fraction', { a: 0.5 }],
  ])('%s', (_, patch) => {
    expect(faultOf(patch)).toBeUndefined();
  });

  test('a patch of 32,768 bytes but not of one more', () => {
    const fill = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`k${i}`, 'x'.repeat(4000)]));
    const lengthLeft = 32_768 - JSON.stringify({ ...fill, z: '' }).length;
    expect(faultOf({ ...fill, z: 'x'.repeat(lengthLeft) })).toBeUndefined();
    expect(faultOf({ ...fill, z: 'x'.repeat(lengthLeft + 1) })).toContain('32769 bytes');
  });
});

describe('edgeHub refuses', () => {
  test.each([
    ['a dot in a key', { 'a.b': 1 }],
    ['a dollar in a key', { $a: 1 }],
    ['a hash in a key', { 'a#': 1 }],
    ['a space in a key', { 'a b': 1 }],
    ['a control character in a key', { 'a\u0007': 1 }],
    ['a key of 1025 bytes', { ['k'.repeat(1025)]: 1 }],
    ['a bad key far inside', { a: { b: { 'c.d': 1 } } }],
    ['a string of 4097 bytes', { a: `${'x'.repeat(4095)}ø` }],
    ['eleven nested objects', nest(11)],
    ['an integer above the range', { a: 2 ** 52 }],
    ['an integer below the range', { a: -(2 ** 52) - 1 }],
    ['null in an array', { a: [1, null] }],
    ['null in an array in an object in an array', { a: [{ b: [null] }] }],
    ['an array as the patch', [1]],
    ['what was no JSON', undefined],
  ])('%s', (_, patch) => {
    expect(findReportFault(patch, 10)).toEqual(expect.any(String));
  });
});

test('IoT Hub counts keys, strings without control characters, 8 a number and 4 a boolean, and no punctuation', () => {
  expect(measureTwinBytes({ key: 'value' })).toBe(8);
  expect(measureTwinBytes({ n: 1234567890, b: true, z: null })).toBe(1 + 8 + 1 + 4 + 1);
  expect(measureTwinBytes({ s: 'ø\n' })).toBe(1 + 2);
  expect(measureTwinBytes({ a: ['x', 'yy'], o: { p: 'q' } })).toBe(1 + 3 + 1 + 2);
});

test('IoT Hub takes a hash in a key, looks into arrays, and refuses a section over 32 KB by its own count', () => {
  expect(findSectionFault({ 'a#': 1 })).toBeUndefined();
  expect(findSectionFault({ a: [{ 'b.c': 1 }] })).toEqual(expect.any(String));
  const numbers = Object.fromEntries(Array.from({ length: 3276 }, (_, i) => [String(10 + (i % 90)) + i, 1]));
  expect(findSectionFault(numbers)).toContain('bytes');
  expect(findReportFault(numbers, 32_000)).toBeUndefined();
});
