import { describe, expect, it } from 'vitest';
import type { ImageStatus } from '#core/status';
import { toHeadline } from '#web/headline';
import type { Html } from '#web/html';
import { toFacts, toFilters, toHero } from '#web/sections';
import { toSelection } from '#web/selection';
import { makeOverview, MISSING, PULLED } from './overview.ts';

/** What a person reads. */
const toText = ({ html }: Html): string =>
  html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();

const select = (query: string) => toSelection(new URLSearchParams(query));

describe('the links to the images of each phase', () => {
  const waiting: ImageStatus = { ...PULLED, phase: 'Waiting', reason: 'Queued' };
  const pulling: ImageStatus = { ...PULLED, phase: 'Pulling' };
  // Another number of each.
  const images = Object.fromEntries(
    [
      MISSING,
      pulling,
      pulling,
      ...Array<ImageStatus>(3).fill(waiting),
      ...Array<ImageStatus>(4).fill(PULLED),
    ].map((image, index) => [`image-${index}`, image]),
  );

  it('say how many there are of each', () => {
    expect(toText(toFilters(makeOverview({ images }), select('')))).toBe(
      'All 10 Failed 1 Pulling 2 Waiting 3 Pulled 4',
    );
  });

  it.each([
    ['', 'All'],
    ['show=Waiting', 'Waiting'],
  ])('show which of them is open: %s', (query, label) => {
    const { html } = toFilters(makeOverview({ images }), select(query));
    const open = html.split('</a').filter((link) => link.includes('aria-current="page"'));
    expect(open).toHaveLength(1);
    expect(open[0]).toMatch(new RegExp(`aria-current="page"\\s*>${label} <span`));
  });

  it('keep what is looked for, and begin at the first page', () => {
    const { html } = toFilters(makeOverview({ images }), select('find=camera&page=3&show=Failed'));
    expect(Array.from(html.matchAll(/href="([^"]*)"/g), ([, url]) => url?.replaceAll('&#38;', '&'))).toEqual([
      '/?find=camera',
      '/?show=Failed&find=camera',
      '/?show=Pulling&find=camera',
      '/?show=Waiting&find=camera',
      '/?show=Pulled&find=camera',
    ]);
  });
});

describe('the sum of all pulls', () => {
  const pull = (bytesPerSecond?: number): ImageStatus => ({
    ...MISSING,
    phase: 'Pulling',
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  });
  const toTotal = (
    pulls: readonly ImageStatus[],
    progress: { downloadedBytes: number; totalBytes: number },
  ) => {
    const overview = makeOverview({
      images: Object.fromEntries(pulls.map((image, index) => [`i${index}`, image])),
    });
    const summary = { ...overview.status.summary, progress };
    const whole = { ...overview, status: { ...overview.status, summary } };
    return toHero(toHeadline(whole), whole);
  };

  it('is as fast as they are together, and takes as long as the rest does at that', () => {
    const hero = toTotal([pull(2_000_000), pull(500_000), pull()], {
      downloadedBytes: 25_000_000,
      totalBytes: 100_000_000,
    });
    expect(toText(hero)).toContain('25.0 MB of 100 MB · 2.5 MB/s · 30 s left');
    expect(hero.html).toContain('<progress max="100000000" value="25000000"');
  });

  it('has no pace while nothing comes, and no end', () => {
    const hero = toTotal([pull(), pull()], { downloadedBytes: 25_000_000, totalBytes: 100_000_000 });
    expect(toText(hero)).toMatch(/25\.0 MB of 100 MB$/);
  });

  it('of bytes that are not known yet is a bar all the same', () => {
    expect(toTotal([pull()], { downloadedBytes: 0, totalBytes: 0 }).html).toContain(
      '<progress max="1" value="0"',
    );
  });

  it('is none where nothing is pulled', () => {
    const overview = makeOverview({ images: { a: PULLED } });
    expect(toHero(toHeadline(overview), overview).html).not.toContain('<progress');
  });
});

describe('the desired version', () => {
  it.each([
    [{ code: 200, description: '' }, '42, accepted'],
    [{ code: 200, description: '3 images' }, '42, accepted: 3 images'],
    [{ code: 400, description: 'images.a.image: wrong' }, '42, with faults (400)'],
  ])('is told with what became of it: %j', (lastDesiredStatus, words) => {
    const facts = toText(toFacts(makeOverview({ status: { lastDesiredStatus } })));
    expect(facts).toContain(`Desired version ${words} Docker engine`);
  });

  it('is none before the first', () => {
    const overview = makeOverview();
    const { lastDesiredVersion: _none, lastDesiredStatus: _neither, ...status } = overview.status;
    expect(toText(toFacts({ ...overview, status }))).toContain('Desired version none yet Docker engine');
  });
});
