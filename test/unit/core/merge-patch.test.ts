import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyPatch, doubt, hasMoreThanProgress, joinPatches, mergePatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';

const anyKey = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'c') },
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty'),
  fc.string(),
);
/** Documents of a twin: null deletes, so that none stands in one, but for arrays. */
const { document: anyDocument } = fc.letrec<{ document: JsonObject; value: JsonObject[string] }>((tie) => ({
  document: fc
    .array(fc.tuple(anyKey, tie('value')), { maxLength: 5 })
    .map((entries): JsonObject => Object.fromEntries(entries)),
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(0), fc.constant('')),
    fc.array(fc.oneof(fc.integer(), fc.constant(null), fc.record({ a: fc.integer() })), { maxLength: 3 }),
    tie('document'),
  ),
}));
const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject;

describe('the patch between two documents', () => {
  it('makes the second of the first, whatever they hold', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (before, after) => {
        const patch = mergePatch(before, after);
        expect(JSON.stringify(sorted(applyPatch(before, patch ?? {})))).toBe(JSON.stringify(sorted(after)));
      }),
      { numRuns: 1000 },
    );
  });

  it('is none where they are equal, whatever they hold', () => {
    fc.assert(
      fc.property(anyDocument, (document) => {
        expect(mergePatch(document, parse(JSON.stringify(document)))).toBeUndefined();
      }),
    );
  });

  it('is the same after a journey as JSON', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (before, after) => {
        const patch = mergePatch(before, after) ?? {};
        const arrived = parse(JSON.stringify(patch));
        expect(applyPatch(before, arrived)).toEqual(applyPatch(before, patch));
      }),
    );
  });

  it.each([
    ['a value that changed', '{"a":1,"b":2}', '{"a":1,"b":3}', '{"b":3}'],
    ['a key that went', '{"a":1,"b":2}', '{"a":1}', '{"b":null}'],
    ['a key that came', '{}', '{"a":{"b":1}}', '{"a":{"b":1}}'],
    ['a part of a part', '{"a":{"b":1,"c":2}}', '{"a":{"b":1,"c":3}}', '{"a":{"c":3}}'],
    ['a whole array', '{"a":[1,2,3]}', '{"a":[1,2]}', '{"a":[1,2]}'],
    ['an object that was a value', '{"a":1}', '{"a":{"b":1}}', '{"a":{"b":1}}'],
    ['a value that was an object', '{"a":{"b":1}}', '{"a":1}', '{"a":1}'],
    ['an object that was emptied', '{"a":{"b":1}}', '{"a":{}}', '{"a":{"b":null}}'],
    ['a key that means something to JavaScript', '{}', '{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
    ['such a key that went', '{"__proto__":1,"a":1}', '{"a":1}', '{"__proto__":null}'],
  ])('holds %s and no more', (_, before, after, patch) => {
    expect(JSON.stringify(mergePatch(parse(before), parse(after)))).toBe(patch);
  });
});

describe('a patch', () => {
  it.each([
    ['a null that stands in an object that comes', '{}', '{"a":{"b":null,"c":1}}', '{"a":{"c":1}}'],
    ['a null for what is not there', '{"a":1}', '{"b":null}', '{"a":1}'],
    ['a null in an array, which stays', '{"a":1}', '{"a":[null]}', '{"a":[null]}'],
    ['__proto__ as a key like any other', '{"a":1}', '{"__proto__":{"b":1}}', '{"a":1,"__proto__":{"b":1}}'],
  ])('takes %s', (_, document, patch, result) => {
    expect(JSON.stringify(applyPatch(parse(document), parse(patch)))).toBe(result);
  });

  it('changes neither the document nor the patch, and no other object', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (document, patch) => {
        const before = JSON.stringify([document, patch]);
        applyPatch(document, patch);
        expect(JSON.stringify([document, patch])).toBe(before);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
  });
});

describe('two patches that are joined', () => {
  it('delete what either deletes', () => {
    const joined = joinPatches(parse('{"a":{"b":1,"c":null},"d":null}'), parse('{"a":{"b":null,"e":2}}'));
    expect(joined).toEqual(parse('{"a":{"b":null,"c":null,"e":2},"d":null}'));
  });

  it('only set what the first deletes and the second sets anew, as edgeHub does', () => {
    const joined = joinPatches(parse('{"a":null}'), parse('{"a":{"b":1}}'));
    expect(applyPatch(parse('{"a":{"c":2}}'), joined)).toEqual(parse('{"a":{"b":1,"c":2}}'));
  });
});

describe('a document of which it is not known whether a patch was applied', () => {
  it('becomes what it is to be by the patch from what is known of it, either way', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, anyDocument, (before, meant, after) => {
        const unsure = mergePatch(before, meant) ?? {};
        const patch = mergePatch(doubt(before, unsure), after) ?? {};
        for (const truth of [before, meant]) expect(applyPatch(truth, patch)).toEqual(after);
      }),
      { numRuns: 1000 },
    );
  });

  it('is sent nothing that the patch does not touch', () => {
    const before = parse('{"a":{"b":1,"c":2},"d":3}');
    expect(mergePatch(doubt(before, parse('{"a":{"c":4}}')), before)).toEqual(parse('{"a":{"c":2}}'));
  });

  it('is told by a null what is not to be there, where that is not known', () => {
    const known = doubt(parse('{"a":{"b":1}}'), parse('{"a":{"c":2}}'));
    expect(mergePatch(known, parse('{"a":{"b":1,"c":null}}'))).toEqual(parse('{"a":{"c":null}}'));
  });
});

it.each([
  ['{"images":{"a":{"percent":5}}}', false],
  ['{"images":{"a":{"percent":5,"downloadedBytes":1,"totalBytes":2}},"summary":{"etaSeconds":3}}', false],
  ['{"summary":{"etaSeconds":null}}', false],
  ['{"images":{"a":{"message":"Waits for the login."}}}', false],
  ['{"images":{"a":{"message":"no","attempts":2}}}', true],
  ['{"images":{"a":{"percent":5,"phase":"Pulled"}}}', true],
  ['{"images":{"a":null}}', true],
  ['{"images":{"percent":null}}', false],
  ['{"omitted":1}', true],
  ['{}', false],
])('whether %s holds more than progress: %s', (patch, isMore) => {
  expect(hasMoreThanProgress(parse(patch))).toBe(isMore);
});

/** With keys in order, all the way down. */
function sorted(value: JsonObject[string]): JsonObject[string] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value as JsonObject).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
