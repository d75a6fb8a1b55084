import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { measureTwinBytes } from '#lab/edge/twin-rules';
import { callEngineJson } from '#lab/engine/engine-api';
import type { DockerHost } from '#lab/engine/engine-api';
import { createEngineClient } from '#lab/engine/engine-client';
import { syntheticImage } from '#lab/images/image';
import type { Registry } from '#lab/registry/registry';
import { startStandInEngine } from '#lab/stand-in/stand-in-engine';
import { countRequests, startCounter } from '../engine-requests.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { readCpuMs, readMemory, watchPeak } from '../process-memory.ts';
import { waitForReady } from '../ready.ts';
import { startScene } from '../scene.ts';
import type { Wanted } from '../scene.ts';
import { toGrowth } from '../statistics.ts';

export const what = 'one device with 10, 100, 500 and 2,000 images in its list';
export const lane = 'counts';

const MIB = 1024 ** 2;
/** Of one layer of its own: it is the number that counts here. */
const LAYER_BYTES = 1000;
const REST_MS = 3000;
const SETTLE_MS = 6000;
/** Images that are pushed at once. */
const PUSHES = 8;
/** As many as may be: it is the module that is to be seen at work, and not the registry. */
const settings = { maxConcurrentPulls: 16, transport: 'engine' };

interface Scale {
  readonly images: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly anonMegabytes: number;
  readonly idleMegabytes: number;
  readonly passMs: number;
  readonly reports: number;
  readonly reportBytes: number;
  readonly reportedBytes: number;
  readonly requests: Readonly<Record<string, number>>;
}

/**
 * The same list, longer and longer, each with an engine that has nothing. The engine is the stand-in: dockerd takes
 * 0.2 s for the smallest image, whatever the module does.
 */
export async function run({ isQuick }: BenchOptions): Promise<Findings> {
  const scales: Scale[] = [];
  const passes = isQuick ? 3 : 10;
  for (const images of isQuick ? [20, 100] : [10, 100, 500, 2000]) scales.push(await measure(images, passes));
  const [small, large] = [scales.at(isQuick ? 0 : 1), scales.at(-1)];
  const growth = (field: 'seconds' | 'cpuSeconds'): number =>
    small === undefined || large === undefined
      ? Number.NaN
      : toGrowth([small.images, small[field]], [large.images, large[field]]);
  return {
    tables: [toTable(scales), toRequestTable(scales)],
    bounds: [
      {
        what: 'time until ready, from the shorter list to the longest: grows with the number to the power of',
        value: growth('seconds'),
        atMost: 1.1,
      },
      {
        what: 'CPU time of the module, from the shorter list to the longest: grows with the number to the power of',
        value: growth('cpuSeconds'),
        atMost: 1.1,
        quickAtMost: 1.6,
      },
      {
        what: 'bytes of the reported document at its largest, as IoT Hub counts',
        value: Math.max(...scales.map(({ reportedBytes }) => reportedBytes)),
        atMost: 30_000,
        quickAtMost: 30_000,
      },
      {
        what: 'listings of the engine for each image, at most',
        value: Math.max(
          ...scales.slice(1).map((scale) => (scale.requests['GET /images/json'] ?? 0) / scale.images),
        ),
        atMost: 1,
        quickAtMost: 3,
      },
    ],
    figures: scales,
  };
}

async function measure(count: number, passes: number): Promise<Scale> {
  const dir = await mkdtemp(join(tmpdir(), 'device-'));
  const standIn = await startStandInEngine(join(dir, 'docker.sock'));
  const scene = await startScene({
    engine: createEngineClient(standIn.dockerHost),
    startFilter: startCounter,
  });
  try {
    const { edge, registry, engine, plant, filter } = scene;
    const wanted = await pushShort(registry, count);
    edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images: {}, settings });
    const { pid } = scene.startModule();
    await edge.waitForReported(({ agent }) => agent !== undefined, 30_000);
    await delay(REST_MS);
    const before = {
      cpuMs: await readCpuMs(pid),
      requests: filter?.requests.length ?? 0,
      reports: edge.reports.length,
    };
    const startedMs = performance.now();
    edge.patchDesired({ images: wanted });
    const { anonBytes } = await watchPeak(pid, waitForReady(edge, count, 1_800_000));
    const seconds = (performance.now() - startedMs) / 1000;
    const cpuSeconds = ((await readCpuMs(pid)) - before.cpuMs) / 1000;
    const reports = edge.reports.slice(before.reports);
    const requests = filter === undefined ? {} : Object.fromEntries(countRequests(filter, before.requests));
    await delay(SETTLE_MS);
    const idle = await readMemory(pid);
    const image = `${registry.address}/${Object.values(wanted)[0]}`;
    const passMs = await measurePass({ pid, passes, dockerHost: engine.dockerHost, image });
    // Its version is not counted.
    const { $version: _version, ...reported } = edge.reported();
    const scale = {
      images: count,
      seconds,
      cpuSeconds,
      anonMegabytes: anonBytes / MIB,
      idleMegabytes: idle.anonBytes / MIB,
      passMs,
      reports: reports.length,
      reportBytes: reports.reduce((sum, { jsonBytes }) => sum + jsonBytes, 0),
      reportedBytes: measureTwinBytes(reported),
      requests,
    };
    console.error(JSON.stringify(scale));
    return scale;
  } finally {
    await scene.stop();
    await standIn.stop();
    await rm(dir, { recursive: true });
  }
}

/** Two thousand entries fit into the 32 KB of desired properties only where names are short: `1a` is `a:1a`. */
async function pushShort(registry: Registry, count: number): Promise<Wanted> {
  registry.scopeMaps.set('readers', ['repositories/a/content/read']);
  const numbers = Array.from({ length: count }, (_, index) => index);
  const push = async (): Promise<void> => {
    for (let index = numbers.pop(); index !== undefined; index = numbers.pop()) {
      const layers = [{ seed: `device ${index}`, sizeBytes: LAYER_BYTES }];
      await registry.push(await syntheticImage({ layers }), 'a', index.toString(36));
    }
  };
  await Promise.all(Array.from({ length: PUSHES }, push));
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [index.toString(36), `a:${index.toString(36)}`]),
  );
}

/** CPU time of one look at everything, which an event of the engine asks for. */
async function measurePass({
  pid,
  passes,
  dockerHost,
  image,
}: {
  readonly pid: number;
  readonly passes: number;
  readonly dockerHost: DockerHost;
  readonly image: string;
}): Promise<number> {
  const before = await readCpuMs(pid);
  for (let pass = 0; pass < passes; pass += 1) {
    const path = `/images/${image}/tag?repo=bench.local/other&tag=${pass}`;
    await callEngineJson(dockerHost, { method: 'POST', path });
    await delay(1100);
  }
  return ((await readCpuMs(pid)) - before) / passes;
}

const toTable = (scales: readonly Scale[]): Findings['tables'][number] => ({
  title: 'One device, by the number of images in its list',
  columns: ['images', ...scales.map(({ images }) => images.toLocaleString('en-US'))],
  rows: [
    row('seconds until all are reported as pulled', scales, ({ seconds }) => seconds.toFixed(1)),
    row('… for each image, ms', scales, ({ seconds, images }) => ((seconds / images) * 1000).toFixed(0)),
    row('CPU time of the module, seconds', scales, ({ cpuSeconds }) => cpuSeconds.toFixed(2)),
    row('… for each image, ms', scales, ({ cpuSeconds, images }) =>
      ((cpuSeconds / images) * 1000).toFixed(1),
    ),
    row('anonymous memory at most, MB', scales, ({ anonMegabytes }) => anonMegabytes.toFixed(1)),
    row('… 6 s afterwards, MB', scales, ({ idleMegabytes }) => idleMegabytes.toFixed(1)),
    row('CPU time of a pass that finds nothing to do, ms', scales, ({ passMs }) => passMs.toFixed(1)),
    row('reports', scales, ({ reports }) => String(reports)),
    row('… bytes in all', scales, ({ reportBytes }) => reportBytes.toLocaleString('en-US')),
    row('bytes of the reported document, as IoT Hub counts', scales, ({ reportedBytes }) =>
      reportedBytes.toLocaleString('en-US'),
    ),
  ],
});

function toRequestTable(scales: readonly Scale[]): Findings['tables'][number] {
  const endpoints = [...new Set(scales.flatMap(({ requests }) => Object.keys(requests)))];
  return {
    title: 'What the engine is asked for it',
    columns: ['images', ...scales.map(({ images }) => images.toLocaleString('en-US'))],
    rows: endpoints.map((endpoint) =>
      row(`\`${endpoint}\``, scales, ({ requests }) => String(requests[endpoint] ?? 0)),
    ),
  };
}

const row = (name: string, scales: readonly Scale[], toCell: (scale: Scale) => string): string[] => [
  name,
  ...scales.map(toCell),
];
