import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { runHubQuery } from '#test/az/hub-query';
import {
  formatCostTable,
  formatCounted,
  toIdleCost,
  toLeastSeconds,
  toMostAtOnce,
  toRolloutCost,
} from '#test/fleet/cost';
import type { FleetCosts } from '#test/fleet/cost';
import { makeFleet } from '#test/fleet/devices';
import { passOn } from '#test/fleet/edge-hub';
import { S1, toMessages } from '#test/fleet/iot-hub-limits';
import { measureIdle, measureRollout } from '#test/fleet/rollout';

const DOCS = 'docs/fleet.md';

/** Made once, by the first test that asks. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

const makeTwins = once(makeFleet);

const countCosts = once(async (): Promise<FleetCosts> => {
  const usual = await measureRollout();
  const quiet = await measureRollout({ reportIntervalSeconds: 60 });
  const idle = await measureIdle(86_400_000);
  return {
    usual: toRolloutCost(usual),
    quiet: toRolloutCost(quiet),
    idle: toIdleCost(idle, usual.twinBytes),
  };
});

/** The first query behind these words. */
async function findQuery(words: string): Promise<string> {
  const text = await readFile(DOCS, 'utf8');
  expect(text).toContain(words);
  const [, query = ''] = /```sql\n([^]+?)```/.exec(text.slice(text.indexOf(words))) ?? [];
  return query;
}

describe('the queries of docs/fleet.md', () => {
  it.each([
    ['Who is ready', [{ deviceId: 'ready-1' }, { deviceId: "ready-2'" }]],
    ['How many', [{ ready: 2 }]],
    ['How far', [{ pulled: 7, desired: 12 }]],
    [
      'by its reason',
      [
        { reason: 'Unauthorized', devices: 1 },
        { reason: 'NotFound', devices: 1 },
      ],
    ],
    ['registry refuses', [{ deviceId: 'refused' }]],
  ])('answer “%s”', async (words, expected) => {
    const rows = runHubQuery(await findQuery(words), await makeTwins());
    expect(rows.toSorted(byText)).toEqual(expected.toSorted(byText));
  });

  it('tell the sets of images apart that are out there', async () => {
    const rows = runHubQuery(await findQuery('the very same'), await makeTwins());
    expect(rows.map(({ devices }) => devices)).toEqual([2, 2]);
    expect(new Set(rows.map(({ setDigest }) => setDigest)).size).toBe(2);
  });

  it('name who is not ready, with what is needed to see why', async () => {
    const rows = runHubQuery(await findQuery('## Who is not'), await makeTwins());
    expect(rows.map(({ deviceId }) => deviceId)).toEqual(
      'pulling not-synced refused behind silent'.split(' '),
    );
    expect(rows[1]).toMatchObject({
      status: { code: 200 },
      registries: { plant: { login: 'Succeeded' } },
      images: { camera: { phase: 'Failed', reason: 'NotFound' } },
    });
  });

  it.each([DOCS, 'examples/staging/README.md', 'README.md'])(
    'can all be read in %s, and are no longer than IoT Hub takes',
    async (path) => {
      const text = await readFile(path, 'utf8');
      const queries = Array.from(text.matchAll(/```sql\n([^]+?)```/g), ([, query = '']) => query);
      expect(queries.length).toBeGreaterThan(0);
      for (const query of queries) runHubQuery(query, await makeTwins());
    },
  );
});

describe('what a rollout costs', () => {
  it('stands in docs/fleet.md as it is counted', async () => {
    const costs = await countCosts();
    const text = await readFile(DOCS, 'utf8');
    const begin = text.indexOf('\n', text.indexOf('<!-- costs:')) + 1;
    const end = text.indexOf('<!-- costs end');
    expect([begin > 0, end > begin]).toEqual([true, true]);
    const block = `\n${formatCounted(costs)}\n\n${formatCostTable(costs)}\n\n`;
    await expect(text.slice(0, begin) + block + text.slice(end)).toMatchFileSnapshot(`../../../${DOCS}`);
  });

  it('is kept low by the interval between two reports of mere progress', async () => {
    const { usual, quiet } = await countCosts();
    // One report every 10 s, and one for each phase change that falls in between.
    expect(usual.updates).toBeLessThanOrEqual(usual.durationSeconds / 10 + 10);
    expect(quiet.updates).toBeLessThan(usual.updates / 2);
  });

  it('runs into the throttle of S1 with 10,000 devices at once, and not with as many as the page allows', async () => {
    const { usual } = await countCosts();
    const toRate = (devices: number) => (devices * usual.updates) / usual.durationSeconds;
    expect(toRate(10_000)).toBeGreaterThan(S1.twinUpdatesASecond);
    expect(toRate(toMostAtOnce(usual, S1))).toBeLessThanOrEqual(S1.twinUpdatesASecond);
    expect(toLeastSeconds(usual, S1, 10_000)).toBeGreaterThan(usual.durationSeconds);
  });

  it('is one message for each report: none is longer than a block', async () => {
    const { usual, quiet, idle } = await countCosts();
    for (const cost of [usual, quiet, idle]) expect(cost.updateMessages).toBe(cost.updates);
    expect(usual.readMessages).toBe(1);
  });

  it('leaves a hub of tier S1 idle enough for 100,000 devices that have nothing to do', async () => {
    const { idle } = await countCosts();
    expect((100_000 * idle.reads) / idle.durationSeconds).toBeLessThan(S1.twinReadsASecond);
    expect((100_000 * idle.updates) / idle.durationSeconds).toBeLessThan(S1.twinUpdatesASecond);
  });
});

describe('edgeHub, as it is reckoned with', () => {
  const at = (atMs: number, patch: object) => ({ atMs, patch: patch as Record<string, never> });

  it('passes on the first report at once, and what follows within five seconds together', () => {
    const sent = [
      at(0, { a: 1 }),
      at(1000, { a: 2, b: { c: 1 } }),
      at(4000, { b: { c: null } }),
      at(5000, { d: 1 }),
    ];
    expect(passOn(sent)).toEqual([at(0, { a: 1 }), at(5000, { a: 2, b: { c: null } }), at(10_000, { d: 1 })]);
  });

  it.each([
    [0, 1],
    [1, 1],
    [4096, 1],
    [4097, 2],
    [12_288, 3],
  ])('a payload of %i bytes is charged as %i messages', (bytes, messages) => {
    expect(toMessages(bytes)).toBe(messages);
  });
});

const byText = (a: object, b: object): number => JSON.stringify(b).localeCompare(JSON.stringify(a));
