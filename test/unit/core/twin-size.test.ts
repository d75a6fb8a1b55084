import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { applyPatch } from '#core/merge-patch';
import type { JsonObject, JsonValue } from '#core/merge-patch';
import { toJsonBytes } from '#core/json-size';
import { findTwinViolation, splitPatch, twinSizeBytes } from '#core/twin-size';

describe('the size of a twin', () => {
  it.each([
    ['text in UTF-8', 'aä€😀', 10],
    ['text without control characters', 'a\n\u0001\u0085b', 2],
    ['8 bytes for a number', 1e300, 8],
    ['4 bytes for a boolean', false, 4],
    ['nothing for a null', null, 0],
    ['the items of an array', ['ab', 1, [true]], 14],
    ['keys and values of an object', { ab: 'c', d: { e: 1 } }, 13],
    ['nothing for what IoT Hub adds', { a: 'b', $version: 7, $metadata: { $lastUpdated: 'x' } }, 2],
    ['keys without control characters', { 'a\u0000b': 1 }, 10],
  ])('counts %s', (_, value, sizeBytes) => {
    expect(twinSizeBytes(value)).toBe(sizeBytes);
  });

  it('is never more than the JSON, but for numbers and booleans', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (object) => {
        expect(twinSizeBytes(object)).toBeLessThanOrEqual(toJsonBytes(object));
      }),
    );
  });

  it('is that of its parts together', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const whole = object as JsonObject;
        const parts = Object.entries(whole).map((entry) => twinSizeBytes(Object.fromEntries([entry])));
        expect(twinSizeBytes(whole)).toBe(parts.reduce((sum, part) => sum + part, 0));
      }),
    );
  });
});

describe('a patch of the reported properties', () => {
  const patchOf = (sizeBytes: number): JsonObject => {
    const long = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`text${i}`, 'x'.repeat(4000)]));
    return { ...long, rest: 'x'.repeat(sizeBytes - toJsonBytes({ ...long, rest: '' })) };
  };
  const nested = (depth: number): JsonObject => (depth === 0 ? {} : { a: nested(depth - 1) });

  it.each<[string, JsonObject]>([
    ['every kind of value', { a: 'b', c: 1.5, d: true, e: null, f: { g: [1, 'a', { h: 1 }] } }],
    ['text of 4,096 bytes', { a: 'x'.repeat(4096) }],
    ['a key of 1,024 bytes', { ['x'.repeat(1024)]: 1 }],
    ['the largest and the least integer', { a: 4503599627370495, b: -4503599627370496 }],
    ['ten levels', nested(10)],
    ['32,768 bytes', patchOf(32_768)],
  ])('is taken with %s', (_, patch) => {
    expect(findTwinViolation(patch)).toBeUndefined();
  });

  it.each<[string, JsonObject, string]>([
    [
      'text of 4,097 bytes',
      { images: { a: { message: `${'x'.repeat(4095)}ä` } } },
      'images.a.message: the text is longer than 4096 bytes',
    ],
    ['long text in an array', { a: ['x'.repeat(4097)] }, 'a.0: the text is longer'],
    [
      'a key of 1,025 bytes',
      { ['ä'.repeat(513)]: 1 },
      `${'ä'.repeat(63)}…: the key is longer than 1024 bytes`,
    ],
    ['a dot in a key', { images: { 'x.io': 1 } }, 'images.x.io: the key holds a'],
    ['a dollar in a key', { $version: 1 }, '$version: the key holds a'],
    ['a hash in a key', { 'a#': 1 }, 'a#: the key holds a'],
    ['a space in a key', { 'a b': 1 }, 'a b: the key holds a'],
    ['a control character in a key', { 'a\u0007': 1 }, 'the key holds a'],
    ['a forbidden key in an array', { a: [{ 'b.c': 1 }] }, 'a.0.b.c: the key holds a'],
    ['an integer beyond the largest', { a: 4503599627370496 }, 'a: the integer is outside'],
    ['an integer below the least', { a: [-4503599627370497] }, 'a.0: the integer is outside'],
    ['a number that is none', { a: NaN }, 'a: the number is not finite'],
    ['a null in an array', { a: { b: [1, null] } }, 'a.b: the array holds a null'],
    ['eleven levels', nested(11), 'a.a.a.a.a.a.a.a.a.a.a: it is nested deeper than 10'],
    ['32,769 bytes', patchOf(32_769), 'the patch has 32769 bytes, more than 32768'],
  ])('breaks a rule with %s', (_, patch, violation) => {
    expect(findTwinViolation(patch)).toContain(violation);
  });
});

describe('a patch in parts', () => {
  const key = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => text !== '__proto__');
  const entry: fc.Arbitrary<JsonValue> = fc.oneof(
    fc.constant(null),
    fc.record({
      phase: fc.constantFrom('Pulled', 'Failed'),
      message: fc.string({ unit: 'binary', maxLength: 60 }),
    }),
  );
  const anyPatch: fc.Arbitrary<JsonObject> = fc.record(
    {
      images: fc.dictionary(key, entry, { maxKeys: 40 }),
      summary: fc.record({ pulled: fc.nat() }),
      registries: fc.dictionary(key, entry, { maxKeys: 40 }),
    },
    { requiredKeys: [] },
  );
  const limit = fc.integer({ min: 700, max: 4000 });
  const applyAll = (document: JsonObject, patches: readonly JsonObject[]) =>
    patches.reduce(applyPatch, document);

  it('does the same as the whole', () => {
    fc.assert(
      fc.property(anyPatch, anyPatch, limit, (before, patch, maxBytes) => {
        const document = applyPatch({}, before);
        expect(applyAll(document, splitPatch(patch, maxBytes))).toEqual(applyPatch(document, patch));
      }),
    );
  });

  it('stays under the limit', () => {
    fc.assert(
      fc.property(anyPatch, limit, (patch, maxBytes) => {
        for (const part of splitPatch(patch, maxBytes))
          expect(toJsonBytes(part)).toBeLessThanOrEqual(maxBytes);
      }),
    );
  });

  it('deletes entries before it adds any, and speaks of the rest last', () => {
    fc.assert(
      fc.property(anyPatch, limit, (patch, maxBytes) => {
        const parts = splitPatch(patch, maxBytes);
        for (const map of ['registries', 'images'] as const) {
          const deletions = parts.flatMap((part) =>
            Object.values(part[map] ?? {}).map((value) => value === null),
          );
          const inOrder = [...deletions].toSorted((a, b) => Number(b) - Number(a));
          expect(parts.length === 1 ? inOrder : deletions).toEqual(inOrder);
        }
        for (const part of parts.slice(0, -1)) expect(Object.keys(part)).not.toContain('summary');
      }),
    );
  });

  it('is one where it fits, and as few as can be where it does not', () => {
    const images = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`image-${i}`, { phase: 'Pulled' }]),
    );
    const patch = { summary: { pulled: 100 }, images };
    const wholeBytes = toJsonBytes(patch);
    expect(splitPatch(patch, wholeBytes)).toEqual([patch]);
    expect(splitPatch(patch, wholeBytes - 1)).toHaveLength(2);
    expect(splitPatch(patch, Math.ceil(wholeBytes / 4) + 50)).toHaveLength(4);
  });

  it('is as it was where there is nothing to split', () => {
    const long = { summary: { text: 'x'.repeat(500) } };
    expect(splitPatch(long, 100)).toEqual([long]);
    expect(splitPatch({ ...long, images: {} }, 100)).toEqual([{ ...long, images: {} }]);
    expect(splitPatch({ ...long, images: null }, 100)).toEqual([{ ...long, images: null }]);
  });

  it('has a rest that fits with nothing in a part of its own', () => {
    const images = { a: { message: 'y'.repeat(60) }, b: { message: 'z'.repeat(60) } };
    const parts = splitPatch({ summary: { text: 'x'.repeat(60) }, images }, 110);
    expect(parts.map((part) => Object.keys(part))).toEqual([['images'], ['images'], ['summary']]);
  });
});
