import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, formatSome } from '#core/format';
import { formatRollout, isStuck } from '#core/rollout';
import type { Rollout } from '#core/rollout';
import type { Standing } from '#core/world';

it.each([
  [0, '0 s'],
  [400, '0 s'],
  [12_000, '12 s'],
  [59_600, '1 min'],
  [72_000, '1 min 12 s'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
  [-5, '0 s'],
])('%i ms is %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1200, '1.2 kB'],
  [9950, '9.9 kB'],
  [42_040_000, '42.0 MB'],
  [99_960_000, '100 MB'],
  [999_400, '999 kB'],
  [999_500, '1.0 MB'],
  [483_000_000, '483 MB'],
  [999_600_000, '1.0 GB'],
  [1_234_000_000_000, '1.2 TB'],
  [5e16, '50000 TB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('a list names as many as it may, and counts the others', () => {
  expect(formatSome(['a', 'b'], 2)).toBe('a, b');
  expect(formatSome(['a', 'b', 'c'], 1)).toBe('a and 2 more');
});

describe('a rollout', () => {
  const pulled: Standing = { phase: 'Pulled', image: { id: 'a', tags: [], digests: [], sizeBytes: 1 } };
  const missing: Standing = { phase: 'Failed', reason: 'NotFound', message: 'why' };
  const queued: Standing = { phase: 'Waiting', reason: 'Queued', message: 'why' };
  const large: Standing = { phase: 'Waiting', reason: 'LowDisk', message: 'why' };
  const all = (...standings: Standing[]) =>
    new Map(standings.map((standing, index) => [`image${index}`, standing] as const));

  const NOTHING: Rollout = { durationMs: 0, bytes: 0, retries: 0, misnamed: [] };
  const MISNAMED: Rollout = { ...NOTHING, misnamed: ['images."a b"'] };

  it.each<[string, ReadonlyMap<string, Standing>, number]>([
    [
      'rollout 42: 5 of 5 images ready in 1 min 12 s, 483 MB, 1 retry',
      all(pulled, pulled, pulled, pulled, pulled),
      1,
    ],
    ['rollout 42: 1 of 1 image ready in 1 min 12 s, 483 MB, no retries', all(pulled), 0],
    [
      'rollout 42: 1 of 2 images ready after 1 min 12 s, 483 MB, 3 retries; failed: image1 (NotFound)',
      all(pulled, missing),
      3,
    ],
    [
      'rollout 42: 0 of 7 images ready after 1 min 12 s, 483 MB, 3 retries; failed: image0 (NotFound), image1 (NotFound), image2 (NotFound), image3 (NotFound), image4 (NotFound) and 1 more',
      all(missing, missing, missing, missing, missing, missing, queued),
      3,
    ],
    [
      'rollout 42: 1 of 4 images ready after 1 min 12 s, 483 MB, no retries; failed: image1 (NotFound); waiting: image2 (LowDisk)',
      all(pulled, missing, large, queued),
      0,
    ],
  ])('is told as %s', (line, standings, retries) => {
    const rollout = { ...NOTHING, version: 42, durationMs: 72_000, bytes: 483_000_000, retries };
    expect(formatRollout(rollout, standings)).toBe(line);
  });

  it('without a version has no number', () => {
    expect(formatRollout(NOTHING, all())).toBe('rollout: 0 of 0 images ready in 0 s, 0 B, no retries');
  });

  it('counts what is left out for its name', () => {
    expect(formatRollout(MISNAMED, all(pulled, missing))).toBe(
      'rollout: 1 of 3 images ready after 0 s, 0 B, no retries; failed: image1 (NotFound), images."a b" (InvalidImage)',
    );
  });

  it('is stuck when something failed, or has no room, and nothing is under way', () => {
    expect(isStuck(NOTHING, all(pulled, missing))).toBe(true);
    expect(isStuck(NOTHING, all(pulled, large))).toBe(true);
    expect(isStuck(NOTHING, all(large, missing))).toBe(true);
    expect(isStuck(NOTHING, all(large, queued))).toBe(false);
    expect(isStuck(NOTHING, all(large, { phase: 'Pulling' }))).toBe(false);
    expect(isStuck(NOTHING, all(pulled, missing, queued))).toBe(false);
    expect(isStuck(NOTHING, all(missing, { phase: 'Pulling' }))).toBe(false);
    expect(isStuck(NOTHING, all(pulled))).toBe(false);
    expect(isStuck(NOTHING, all())).toBe(false);
    expect(isStuck(MISNAMED, all(pulled))).toBe(true);
    expect(isStuck(MISNAMED, all(pulled, queued))).toBe(false);
  });
});
