import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toJsonBytes, utf8Bytes } from '#core/json-size';

it('the length of text is its length in UTF-8', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(texts, (text) => {
      expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
    }),
  );
});

it('half a character counts as what stands for it when it is encoded', () => {
  expect(utf8Bytes('\uD83D')).toBe(3);
});

it('the size of a value is that of its JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(toJsonBytes(value)).toBe(Buffer.byteLength(JSON.stringify(value)));
    }),
  );
});
