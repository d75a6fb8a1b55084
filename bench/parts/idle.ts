import { setTimeout as delay } from 'node:timers/promises';
import { callEngineJson } from '#lab/engine/engine-api';
import type { RegistryRequest } from '#lab/registry/request-log';
import { countRequests, startCounter } from '../engine-requests.ts';
import { toMany } from '../image-sets.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { readCpuMs } from '../process-memory.ts';
import { waitForReady } from '../ready.ts';
import { pushImages, startScene } from '../scene.ts';
import type { Scene, Wanted } from '../scene.ts';

export const what = 'what a device costs on which 200 images are all there';
export const lane = 'counts';

/** V8 tidies up for a minute after a rollout. */
const SETTLE_MS = 75_000;
const QUICK_SETTLE_MS = 8000;

/** What was asked and spent in a while. */
interface Span {
  readonly name: string;
  readonly seconds: number;
  readonly cpuMs: number;
  readonly engine: ReadonlyMap<string, number>;
  readonly registry: ReadonlyMap<string, number>;
}

/** Idle, with an event of the engine now and then, and with tags that are compared. */
export async function run({ isQuick }: BenchOptions): Promise<Findings> {
  const count = isQuick ? 20 : 200;
  const events = isQuick ? 4 : 10;
  const restMs = isQuick ? 5000 : 60_000;
  const refreshSeconds = isQuick ? 5 : 60;
  const scene = await startScene({ startFilter: startCounter });
  try {
    const { edge, registry, plant } = scene;
    const wanted = await pushImages(registry, toMany(count));
    const desire = (pullPolicy: string, settings: object): void => {
      const images = Object.fromEntries(
        Object.entries(wanted).map(([name, image]) => [name, { image, pullPolicy }]),
      );
      edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images, settings });
    };
    desire('if-not-present', { refreshIntervalSeconds: 0 });
    const { pid } = scene.startModule();
    await waitForReady(edge, count, 600_000);
    await delay(isQuick ? QUICK_SETTLE_MS : SETTLE_MS);
    const idle = await measure(scene, pid, 'nothing happens', () => delay(restMs));
    const touched = await measure(scene, pid, `${events} events of the engine`, () =>
      touch(scene, wanted, events),
    );
    const changed = await measure(scene, pid, 'the same images desired anew, `if-not-present`', async () => {
      desire('if-not-present', { refreshIntervalSeconds: 0, logLevel: 'warn' });
      await waitForReady(edge, count, 60_000);
    });
    desire('always', { refreshIntervalSeconds: refreshSeconds });
    await waitForReady(edge, count, 300_000);
    const refreshMs = 2 * refreshSeconds * 1000;
    const refresh = await measure(scene, pid, `\`always\`, compared every ${refreshSeconds} s`, () =>
      delay(refreshMs),
    );
    return toFindings({ count, events, refreshSeconds }, [idle, touched, changed, refresh]);
  } finally {
    await scene.stop();
  }
}

async function measure(
  { filter, registry }: Scene,
  pid: number,
  name: string,
  play: () => Promise<unknown>,
): Promise<Span> {
  const before = { asked: filter?.requests.length ?? 0, cpuMs: await readCpuMs(pid) };
  const requestsBefore = registry.requests.length;
  const startedMs = performance.now();
  await play();
  return {
    name,
    seconds: (performance.now() - startedMs) / 1000,
    cpuMs: (await readCpuMs(pid)) - before.cpuMs,
    engine: filter === undefined ? new Map<string, number>() : countRequests(filter, before.asked),
    registry: countKinds(registry.requests.slice(requestsBefore)),
  };
}

/** Somebody else tags an image now and then. */
async function touch({ engine, registry }: Scene, wanted: Wanted, events: number): Promise<void> {
  const [image = ''] = Object.values(wanted);
  for (let event = 0; event < events; event += 1) {
    const path = `/images/${registry.address}/${image}/tag?repo=bench.local/other&tag=${event}`;
    await callEngineJson(engine.dockerHost, { method: 'POST', path });
    await delay(1200);
  }
}

function countKinds(requests: readonly RegistryRequest[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { method, path } of requests) {
    const kind = /\/(manifests|blobs|token)\b/.exec(path)?.[1] ?? '/v2/';
    counts.set(`${method} ${kind}`, (counts.get(`${method} ${kind}`) ?? 0) + 1);
  }
  return counts;
}

function toFindings(
  {
    count,
    events,
    refreshSeconds,
  }: { readonly count: number; readonly events: number; readonly refreshSeconds: number },
  spans: readonly Span[],
): Findings {
  const [idle, touched, changed, refresh] = spans;
  const toRefreshes = (span: Span | undefined): number => (span?.seconds ?? 0) / refreshSeconds;
  const heads = refresh?.registry.get('HEAD manifests') ?? 0;
  const toHourly = (span: Span | undefined): number => ((span?.cpuMs ?? 0) / (span?.seconds ?? 1)) * 3.6;
  const perRefreshSeconds = (refresh?.cpuMs ?? 0) / 1000 / toRefreshes(refresh);
  const format = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([kind, asked]) => `${asked} × \`${kind}\``).join(', ') || 'nothing';
  return {
    tables: [
      {
        title: `${count} images, all present`,
        columns: [
          '',
          'seconds',
          'CPU, ms',
          'CPU seconds an hour at this rate',
          'asked of the engine',
          'of the registry',
        ],
        rows: spans.map((span) => [
          span.name,
          span.seconds.toFixed(0),
          span.cpuMs.toFixed(0),
          toHourly(span).toFixed(1),
          format(span.engine),
          format(span.registry),
        ]),
      },
    ],
    bounds: [
      { what: 'CPU seconds an hour, idle', value: toHourly(idle), atMost: 10, quickAtMost: 60 },
      {
        what: `CPU seconds an hour for comparing ${count} tags once an hour, besides`,
        value: perRefreshSeconds,
        atMost: 5,
      },
      {
        what: 'requests at the registry while nothing happens, and for `if-not-present` desired anew',
        value: [idle, changed].reduce((sum, span) => sum + total(span?.registry), 0),
        atMost: 0,
        quickAtMost: 0,
      },
      {
        what: 'listings of the engine for each event',
        value: (touched?.engine.get('GET /images/json') ?? 0) / events,
        atMost: 1,
        quickAtMost: 2,
      },
      {
        what: 'HEAD requests for a manifest, for each image and refresh',
        value: heads / count / toRefreshes(refresh),
        atMost: 1.1,
      },
    ],
    figures: spans.map((span) => ({
      ...span,
      engine: Object.fromEntries(span.engine),
      registry: Object.fromEntries(span.registry),
    })),
  };
}

const total = (counts: ReadonlyMap<string, number> = new Map()): number =>
  [...counts.values()].reduce((sum, asked) => sum + asked, 0);
