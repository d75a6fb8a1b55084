import { expect, it } from 'vitest';
import { createTidy } from '#relay/tidy';

const MIB = 1024 * 1024;

it('V8 is asked to take buffers away each time 2 MiB came, and not before anything came', () => {
  let opened = 0;
  const collections: object[] = [];
  const tidy = createTidy(() => {
    opened += 1;
    return (options) => void collections.push(options);
  });
  tidy(MIB);
  expect(opened).toBe(0);
  tidy(MIB);
  for (let piece = 0; piece < 100; piece += 1) tidy(MIB / 16);
  expect(opened).toBe(1);
  expect(collections).toEqual(Array.from({ length: 4 }, () => ({ type: 'minor' })));
});

it('V8 has a collection to offer', () => {
  const tidy = createTidy();
  expect(() => tidy(2 * MIB)).not.toThrow();
});
