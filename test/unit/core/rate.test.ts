import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSample, toEtaSeconds } from '#core/rate';
import type { Sample } from '#core/rate';

const sample = (atSeconds: number, bytes: number): Sample => ({ atMs: atSeconds * 1000, bytes });
const collect = (...samples: readonly Sample[]): readonly Sample[] =>
  samples.reduce<readonly Sample[]>(addSample, []);

describe('the samples', () => {
  it('are one a second', () => {
    expect(collect(sample(0, 0), sample(0.5, 5), sample(0.999, 9), sample(1, 10))).toEqual([
      sample(0, 0),
      sample(1, 10),
    ]);
  });

  it('are those of the last half minute', () => {
    const samples = collect(...Array.from({ length: 100 }, (_, second) => sample(second, second)));
    expect(samples[0]).toEqual(sample(69, 69));
    expect(samples).toHaveLength(31);
  });

  it.each([
    ['bytes fall, as when another set of pulls is under way', sample(2, 5)],
    ['the clock goes back', sample(0.5, 20)],
  ])('begin anew where %s', (_, odd) => {
    expect(collect(sample(0, 0), sample(1, 10), odd)).toEqual([odd]);
  });

  it('are few and in order, whatever comes', () => {
    const anySample = fc.record({ atMs: fc.nat(1_000_000), bytes: fc.nat(1_000_000) });
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 200 }), (all) => {
        const samples = collect(...all);
        expect(samples.length).toBeLessThanOrEqual(32);
        expect(samples).toEqual(samples.toSorted((a, b) => a.atMs - b.atMs));
        expect(samples).toEqual(samples.toSorted((a, b) => a.bytes - b.bytes));
      }),
    );
  });
});

describe('the time that is left', () => {
  it.each([
    ['100 bytes at 10 a second', [sample(0, 0), sample(1, 10)], 100, 10],
    ['a part of a second', [sample(0, 0), sample(10, 1000)], 1, 1],
    ['nothing that is left', [sample(0, 0), sample(1, 10)], 0, 0],
    ['the whole window, not its last step', [sample(0, 0), sample(5, 0), sample(10, 100)], 100, 10],
  ])('is said of %s', (_, samples, remainingBytes, seconds) => {
    expect(toEtaSeconds(samples, remainingBytes)).toBe(seconds);
  });

  it.each([
    ['there is no sample', []],
    ['there is one sample', [sample(0, 5)]],
    ['nothing came in the window', [sample(0, 5), sample(30, 5)]],
  ])('is not said while %s', (_, samples) => {
    expect(toEtaSeconds(samples, 100)).toBeUndefined();
  });
});
