import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldLayer, isFetching, NO_PROGRESS, sumBytes } from '#core/progress';
import type { LayerEvent, PullProgress } from '#core/progress';

type Line = readonly [layerId: string, event: LayerEvent];

const fold = (...lines: readonly Line[]): PullProgress =>
  lines.reduce((progress, [id, event]) => foldLayer(progress, id, event), NO_PROGRESS);
const downloading = (currentBytes: number, totalBytes?: number): LayerEvent => ({
  kind: 'downloading',
  currentBytes,
  ...(totalBytes === undefined ? {} : { totalBytes }),
});
const extracting = (current: number, total?: number): LayerEvent => ({
  kind: 'extracting',
  current,
  ...(total === undefined ? {} : { total }),
});
const PRESENT: LayerEvent = { kind: 'present' };
const WAITING: LayerEvent = { kind: 'waiting' };
const DOWNLOADED: LayerEvent = { kind: 'downloaded' };
const PULLED: LayerEvent = { kind: 'pulled' };
const RETRYING: LayerEvent = { kind: 'retrying' };

const anyBytes = fc.nat(1_000_000);
const anyEvent: fc.Arbitrary<LayerEvent> = fc.oneof(
  fc.constantFrom(PRESENT, WAITING, DOWNLOADED, PULLED, RETRYING),
  fc.tuple(anyBytes, fc.option(anyBytes, { nil: undefined })).map(([now, all]) => downloading(now, all)),
  fc.tuple(anyBytes, fc.option(anyBytes, { nil: undefined })).map(([now, all]) => extracting(now, all)),
);
const anyLine: fc.Arbitrary<Line> = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), anyEvent);
const anyLines = fc.array(anyLine, { maxLength: 60 });

/** What an engine says of a layer that it pulls without trouble. */
const toWhole = (id: string, sizeBytes: number): Line[] => [
  [id, WAITING],
  [id, downloading(Math.floor(sizeBytes / 2), sizeBytes)],
  [id, downloading(sizeBytes, sizeBytes)],
  [id, DOWNLOADED],
  [id, extracting(sizeBytes, sizeBytes)],
  [id, PULLED],
];

it('a layer that came, and that the engine has when the same pull is asked over, counts as come', () => {
  const twice = fold(...toWhole('a', 1000), ['b', downloading(10, 500)], ['a', PRESENT], ['b', PRESENT]);
  expect(sumBytes([twice])).toEqual({ downloadedBytes: 1500, totalBytes: 1500 });
  expect(isFetching(twice)).toBe(false);
});

describe('percent', () => {
  it.each<[string, readonly Line[], number]>([
    ['nothing was said', [], 0],
    [
      'every layer waits',
      [
        ['a', WAITING],
        ['b', WAITING],
      ],
      0,
    ],
    ['half of the one layer is downloaded', [['a', downloading(50, 100)]], 40],
    [
      'it is downloaded',
      [
        ['a', downloading(100, 100)],
        ['a', DOWNLOADED],
      ],
      80,
    ],
    [
      'half of it is extracted',
      [
        ['a', downloading(1, 100)],
        ['a', extracting(50, 100)],
      ],
      90,
    ],
    ['all is done: 100 is said of an image that was seen', toWhole('a', 100), 99],
    [
      'layers are there already: they count for nothing',
      [
        ['b', PRESENT],
        ['a', downloading(50, 100)],
      ],
      40,
    ],
    [
      'all layers are there already',
      [
        ['a', PRESENT],
        ['b', PRESENT],
      ],
      0,
    ],
    [
      'a layer of unknown size waits: it weighs as the mean of the others',
      [
        ['a', WAITING],
        ['b', downloading(100, 100)],
      ],
      40,
    ],
    [
      'big layers weigh more',
      [
        ['b', downloading(0, 100)],
        ['a', downloading(300, 300)],
      ],
      60,
    ],
    ['more comes than was said', [['a', downloading(200, 100)]], 80],
    ['the size is 0', [['a', downloading(0, 0)]], 0],
    [
      'the engine counts seconds, and knows no end',
      [
        ['a', downloading(9, 9)],
        ['a', extracting(7)],
      ],
      80,
    ],
  ])('where %s', (_, lines, percent) => {
    expect(fold(...lines).percent).toBe(percent);
  });

  it('never falls and is a whole number of 0 to 99, whatever the engine says', () => {
    fc.assert(
      fc.property(anyLines, (lines) => {
        let progress = NO_PROGRESS;
        for (const [id, event] of lines) {
          const next = foldLayer(progress, id, event);
          expect(next.percent).toBeGreaterThanOrEqual(progress.percent);
          expect(next.percent).toBeLessThanOrEqual(99);
          expect(Number.isInteger(next.percent)).toBe(true);
          progress = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('ends at 99 for any layers in any order', () => {
    const anyLayers = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(anyLayers, fc.infiniteStream(fc.nat()), (sizes, choices) => {
        const queues = sizes.map((sizeBytes, index) => toWhole(`layer ${index}`, sizeBytes));
        const lines = interleave(queues, choices);
        const progress = fold(...lines);
        expect(progress.percent).toBe(99);
        const totalBytes = sizes.reduce((a, b) => a + b, 0);
        expect(sumBytes([progress])).toEqual({ downloadedBytes: totalBytes, totalBytes });
      }),
    );
  });

  it('is held while a download starts over', () => {
    const before = fold(['a', downloading(90, 100)]);
    const after = foldLayer(foldLayer(before, 'a', RETRYING), 'a', downloading(1, 100));
    expect(after.percent).toBe(before.percent);
  });
});

describe('the layers', () => {
  it('end the same in whatever order their lines come, if each keeps its own', () => {
    fc.assert(
      fc.property(anyLines, fc.infiniteStream(fc.nat()), (lines, choices) => {
        const queues = ['a', 'b', 'c', 'd'].map((wanted) => lines.filter(([id]) => id === wanted));
        const [one, other] = [fold(...lines), fold(...interleave(queues, choices))];
        expect(Object.fromEntries(one.layers)).toEqual(Object.fromEntries(other.layers));
        expect(one.advances).toBe(other.advances);
        expect(sumBytes([one])).toEqual(sumBytes([other]));
      }),
    );
  });
});

describe('something is fetched', () => {
  it('until every layer that is told of has come, where one has come now', () => {
    const lines: readonly Line[] = [
      ['a', PRESENT],
      ['b', WAITING],
      ['b', downloading(1, 2)],
      ['b', DOWNLOADED],
      ['b', extracting(1, 2)],
      ['b', PULLED],
    ];
    expect(toStates(lines)).toEqual([true, true, true, false, false, false]);
  });

  it('where nothing was told, or only that its layers are here: more may follow', () => {
    expect(isFetching(NO_PROGRESS)).toBe(true);
    expect(isFetching(fold(['a', PRESENT], ['b', PRESENT]))).toBe(true);
  });

  it('where the manifest names a layer that has not come', () => {
    expect(isFetching(fold(['a', { kind: 'sized', totalBytes: 5 }], ['b', WAITING], ['b', DOWNLOADED]))).toBe(
      true,
    );
  });

  it('but not while the engine waits to ask again for every layer that is left', () => {
    const lines: readonly Line[] = [
      ['a', downloading(1, 2)],
      ['b', downloading(1, 2)],
      ['a', RETRYING],
      ['b', DOWNLOADED],
      ['a', { kind: 'sized', totalBytes: 2 }],
      ['a', downloading(1, 2)],
    ];
    expect(toStates(lines)).toEqual([true, true, true, false, false, true]);
  });

  const toStates = (lines: readonly Line[]): boolean[] =>
    lines.map((_, at) => isFetching(fold(...lines.slice(0, at + 1))));
});

describe('an advance', () => {
  it.each<[string, readonly Line[], Line]>([
    ['a new layer', [], ['a', WAITING]],
    ['more bytes', [['a', downloading(1, 9)]], ['a', downloading(2, 9)]],
    [
      'more bytes after the download started over',
      [
        ['a', downloading(8, 9)],
        ['a', downloading(1, 9)],
      ],
      ['a', downloading(2, 9)],
    ],
    ['a layer that is downloaded', [['a', downloading(9, 9)]], ['a', DOWNLOADED]],
    ['more extracted', [['a', extracting(1, 9)]], ['a', extracting(2, 9)]],
    ['a second more of extracting', [['a', extracting(1)]], ['a', extracting(2)]],
  ])('is %s', (_, before, line) => {
    const progress = fold(...before);
    expect(fold(...before, line).advances).toBe(progress.advances + 1);
  });

  it.each<[string, readonly Line[], Line]>([
    ['the same number again', [['a', downloading(1, 9)]], ['a', downloading(1, 9)]],
    ['a download that starts over', [['a', downloading(8, 9)]], ['a', downloading(1, 9)]],
    ['the engine’s own retry', [['a', downloading(8, 9)]], ['a', RETRYING]],
    ['a layer that still waits', [['a', WAITING]], ['a', WAITING]],
  ])('is not %s', (_, before, line) => {
    const progress = fold(...before);
    expect(fold(...before, line).advances).toBe(progress.advances);
  });
});

describe('the bytes of several pulls', () => {
  it('count a layer that they share once, as far as the pull that is further', () => {
    const one = fold(['shared', downloading(50, 100)], ['own', downloading(10, 10)]);
    const other = fold(['shared', downloading(60, 100)], ['other', downloading(0, 7)]);
    expect(sumBytes([one, other])).toEqual({ downloadedBytes: 70, totalBytes: 117 });
  });

  it('are the same in any order, and never more downloaded than there is', () => {
    fc.assert(
      fc.property(
        fc.array(
          anyLines.map((lines) => fold(...lines)),
          { maxLength: 4 },
        ),
        (pulls) => {
          const sum = sumBytes(pulls);
          expect(sumBytes(pulls.toReversed())).toEqual(sum);
          expect(sumBytes([...pulls, ...pulls])).toEqual(sum);
          expect(sum.downloadedBytes).toBeLessThanOrEqual(sum.totalBytes);
        },
      ),
    );
  });

  it('leave out what was there already', () => {
    expect(sumBytes([fold(['a', PRESENT], ['b', downloading(1, 2)])])).toEqual({
      downloadedBytes: 1,
      totalBytes: 2,
    });
  });
});

/** The lines of all queues, each queue's in order, the queues mixed as chance has it. */
function interleave(queues: readonly (readonly Line[])[], choices: Iterable<number>): Line[] {
  const rest = queues.map((queue) => [...queue]).filter((queue) => queue.length > 0);
  const lines: Line[] = [];
  for (const choice of choices) {
    if (rest.length === 0) break;
    const index = choice % rest.length;
    const line = rest[index]?.shift();
    if (line !== undefined) lines.push(line);
    if (rest[index]?.length === 0) rest.splice(index, 1);
  }
  return lines;
}
