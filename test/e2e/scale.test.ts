import { expect, it } from 'vitest';
import { mergePatch } from '#lab/edge/twin';
import { isTwinObject, measureTwinBytes } from '#lab/edge/twin-rules';
import type { Edge } from '#lab/edge';
import { startScene, toObject, toPhases } from './scene.ts';
import type { Json } from './scene.ts';

/** The reported document after each report, oldest first. */
function replay({ reports }: Edge): Json[] {
  let document: Json = {};
  return reports.map(({ patch }) => (document = mergePatch(document, isTwinObject(patch) ? patch : {})));
}

it('500 images are kept, reported in less than 30 KB with what failed first, and answered page by page', async () => {
  const { push, desire, startModule, registry, edge, call } = await startScene();
  const { digest } = await push('acme/many:0', ['many'], 20_000);
  const tags = Array.from({ length: 40 }, (_tag, index) => String(index));
  for (const tag of tags) await registry.tag('acme/many', digest, tag);
  const names = Array.from({ length: 500 }, (_name, index) => `image-${String(index).padStart(3, '0')}`);
  const missing = names.filter((_name, index) => index % 50 === 49);
  const images = names.map((name, index) => [
    name,
    missing.includes(name) ? 'acme/many:none' : `acme/many:${tags[index % tags.length]}`,
  ]);
  desire(Object.fromEntries(images));
  startModule();
  const counts = { ready: false, desired: 500, pulled: 490, pulling: 0, waiting: 0, failed: 10 };
  await expect
    .poll(() => edge.reported()['summary'], { timeout: 90_000, interval: 100 })
    .toMatchObject(counts);
  await edge.waitForReported((reported) => missing.every((name) => name in toObject(reported['images'])));

  const reported = edge.reported();
  const phases = toPhases(reported);
  for (const name of missing) expect(phases[name]).toBe('Failed NotFound');
  const told = Object.keys(phases).length;
  expect(told).toBeGreaterThan(100);
  expect(told + Number(reported['omitted'])).toBe(500);
  for (const document of replay(edge)) expect(measureTwinBytes(document)).toBeLessThan(30_000);
  expect(edge.reports.filter(({ status }) => status !== 204)).toEqual([]);

  const pages: Json[] = [];
  for (let after: unknown = ''; after !== undefined; after = pages.at(-1)?.['next']) {
    const { status, payload } = await call('GetStatus', { after });
    expect(status).toBe(200);
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThan(100_000);
    pages.push(toObject(payload));
  }
  expect(pages.length).toBeGreaterThan(1);
  const answered = pages.flatMap((page) => Object.entries(toObject(page['images'])));
  expect(answered.map(([name]) => name)).toEqual(names);
  for (const [name, entry] of answered) {
    const isMissing = missing.includes(name);
    expect(entry).toMatchObject(isMissing ? { reason: 'NotFound' } : { phase: 'Pulled', digest });
  }
});

it('progress grows and never falls, is reported at its pace, and a phase change at once', async () => {
  const { push, desire, startModule, waitForReady, registry, edge, image } = await startScene();
  await push('acme/big:1', ['x', 'y'], 6_000_000);
  registry.faults.totalBytesPerSecond = 1_300_000;
  const reportIntervalSeconds = 2;
  desire({ big: 'acme/big:1' }, { reportIntervalSeconds });
  startModule();
  await waitForReady();
  expect(image('big')).not.toHaveProperty('percent');

  const documents = replay(edge);
  const seen = documents.map((document) => toObject(toObject(document['images'])['big']));
  const pulling = seen.filter(({ phase }) => phase === 'Pulling');
  const toSeries = (property: string): number[] => pulling.map((entry) => Number(entry[property]));
  for (const property of ['percent', 'downloadedBytes']) {
    const series = toSeries(property);
    expect(new Set(series).size).toBeGreaterThanOrEqual(3);
    expect(series).toEqual(series.toSorted((a, b) => a - b));
  }
  expect(Math.max(...toSeries('percent'))).toBeLessThan(100);
  expect(Math.max(...toSeries('downloadedBytes'))).toBeLessThanOrEqual(Math.max(...toSeries('totalBytes')));

  // Reports in which nothing but progress changed come no sooner after the one before than the interval.
  const pauses = edge.reports.flatMap(({ atMs }, index) => {
    const before = edge.reports[index - 1];
    const isProgress = seen[index]?.['phase'] === 'Pulling' && seen[index - 1]?.['phase'] === 'Pulling';
    return before !== undefined && isProgress ? [atMs - before.atMs] : [];
  });
  expect(pauses.length).toBeGreaterThanOrEqual(2);
  expect(Math.min(...pauses)).toBeGreaterThan(reportIntervalSeconds * 1000 - 50);
  expect(documents.length).toBeLessThan(10);
});
