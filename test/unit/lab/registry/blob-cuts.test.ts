import { expect, it } from 'vitest';
import { createBlobCuts } from '#lab/registry/blob-cuts';

it('cuts where the sums of bytes come to what was asked for, whole bytes only, and then no more', () => {
  const cuts = createBlobCuts({ cutBlobsAtBytes: [100, 150.5] });
  const seen: number[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    seen.push(cuts.room());
    cuts.note(Math.min(cuts.room(), 1000));
  }
  expect(seen).toEqual([100, 51, Infinity]);
  expect(cuts.count()).toBe(2);
});

it('counts anew from where it is set anew', () => {
  const faults: { cutBlobsAtBytes: readonly number[] | undefined } = { cutBlobsAtBytes: undefined };
  const cuts = createBlobCuts(faults);
  cuts.note(1000);
  faults.cutBlobsAtBytes = [70];
  expect(cuts.room()).toBe(70);
});
