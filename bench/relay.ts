/**
 * `npm run bench:relay`: how long an image takes through the relay, measured beside the engine's own pull of it, and what
 * the relay costs in memory. `LAB_DOCKERD` and `LAB_CONTAINERD_SNAPSHOTTER` name another engine. Prints a table and keeps
 * the figures in `bench/results/relay.json`, by engine. Needs root.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { syntheticImage } from '#lab/images/image';
import { startLab } from '#lab/lab';
import type { Lab } from '#lab/lab';
import { ensurePrerequisites } from '#lab/prerequisites';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import { readRuntime } from '#lab/runtime';
import { startTestEngine } from '#test/engine-under-test';
import { dirname, join } from 'node:path';
import { readMemory, watchPeak } from './process-memory.ts';

const RESULTS = 'bench/results/relay.json';
const ROUNDS = 5;
const LAYERS = 5;
const LAYER_BYTES = 20_000_000;
const LINKS: readonly (readonly [name: string, bytesPerSecond: number | undefined])[] = [
  ['25 MB/s', 25_000_000],
  ['loopback', undefined],
];
const IMAGES = 12;
/** V8 tidies up some 8 s after the last work. */
const IDLE_MS = 15_000;
const MIB = 1024 ** 2;

type Transport = 'engine' | 'relay';

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 's' | 'MB' | '';
  readonly bound?: number;
}

await ensurePrerequisites();
await import('../scripts/build.ts');
const { flags, environment } = await readRuntime('Dockerfile.amd64');
const lab = await startLab({
  hasRelay: true,
  startEngine: startTestEngine,
  nodeFlags: flags,
  environment: (dir) => ({ ...environment, storageFolder: dir }),
});
const registry = await startRegistry({ dir: join(lab.dir, 'site'), auth: 'none' });
try {
  const figures = [...(await measureTimes(lab, registry)), ...(await measureMemory(lab, registry))];
  print(figures);
  await keep(await nameEngine(lab), figures);
} finally {
  await registry.close();
  await lab.stop();
}
process.exit();

/** For instance `28.5.2, containerd`. */
async function nameEngine({ engine }: Lab): Promise<string> {
  const isContainerd = process.env['LAB_CONTAINERD_SNAPSHOTTER'] === 'true';
  return `${await engine.version()}, ${isContainerd ? 'containerd' : 'classic'}`;
}

/** Beside what was measured with other engines. */
async function keep(engine: string, figures: readonly Figure[]): Promise<void> {
  await mkdir(dirname(RESULTS), { recursive: true });
  const text = await readFile(RESULTS, 'utf8').catch(() => '{}');
  const results = { ...(JSON.parse(text) as Record<string, unknown>), [engine]: figures };
  await writeFile(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** Each way in turn: whatever else the machine does is done to both. */
async function measureTimes(on: Lab, site: Registry): Promise<Figure[]> {
  const layers = Array.from({ length: LAYERS }, (_, at) => ({ seed: `time-${at}`, sizeBytes: LAYER_BYTES }));
  await site.push(await syntheticImage({ layers }), 'time', '1');
  on.startModule();
  const figures: Figure[] = [];
  for (const [name, bytesPerSecond] of LINKS) {
    site.faults.totalBytesPerSecond = bytesPerSecond;
    const seconds: Record<Transport, number[]> = { engine: [], relay: [] };
    // The first round of all finds caches cold, and is not counted.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const transport of ['engine', 'relay'] as const) {
        const took = await pull(on, site, ['time'], transport);
        if (round > 0) seconds[transport].push(took);
      }
    }
    const [engine, relay] = [toMedian(seconds.engine), toMedian(seconds.relay)];
    console.log(name, JSON.stringify(seconds));
    figures.push(
      { name: `${name}: by the engine, median of ${ROUNDS}`, value: engine, unit: 's' },
      { name: `${name}: through the relay`, value: relay, unit: 's' },
      { name: `${name}: ratio`, value: relay / engine, unit: '', bound: 1.1 },
    );
  }
  await on.module?.stop();
  return figures;
}

async function measureMemory(on: Lab, site: Registry): Promise<Figure[]> {
  site.faults.totalBytesPerSecond = undefined;
  const names = Array.from({ length: IMAGES }, (_, at) => `memory-${at}`);
  for (const name of names) {
    const layers = [0, 1, 2].map((at) => ({ seed: `${name}-${at}`, sizeBytes: LAYER_BYTES }));
    await site.push(await syntheticImage({ layers }), name, '1');
  }
  on.edge.setDesired({ schemaVersion: '1.0', images: {} });
  const { pid } = on.startModule();
  await on.edge.waitForReported(({ agent }) => agent !== undefined, 30_000);
  await delay(IDLE_MS);
  const idle = await readMemory(pid);
  const peak = await watchPeak(pid, pull(on, site, names, 'relay'));
  await on.module?.stop();
  const what = `${IMAGES} images of 3 layers of 20 MB`;
  return [
    { name: 'anonymous memory, connected and idle', value: idle.anonBytes / MIB, unit: 'MB' },
    {
      name: `more of it at most while ${what} come`,
      value: (peak.anonBytes - idle.anonBytes) / MIB,
      unit: 'MB',
      bound: 20,
    },
    { name: 'more RSS at most', value: (peak.rssBytes - idle.rssBytes) / MIB, unit: 'MB' },
  ];
}

/** @returns seconds from the change of the desired properties until everything is reported as pulled */
async function pull(
  on: Lab,
  site: Registry,
  repositories: readonly string[],
  transport: Transport,
): Promise<number> {
  const { edge } = on;
  const images = Object.fromEntries(repositories.map((name) => [name, `${site.address}/${name}:1`]));
  const set = (wanted: Record<string, string>): void =>
    edge.setDesired({
      schemaVersion: '1.0',
      registryCredentials: { site: { address: site.address } },
      images: wanted,
      settings: { transport, reportIntervalSeconds: 1 },
    });
  const isReady = (): Promise<unknown> =>
    edge.waitForReported(
      ({ summary, lastDesiredVersion }) =>
        (summary as { ready?: boolean } | undefined)?.ready === true &&
        lastDesiredVersion === edge.desired()['$version'],
      180_000,
    );
  // First none: the engine is emptied while nothing is wanted.
  set({});
  await isReady();
  await on.engine.removeAllImages();
  const startMs = performance.now();
  set(images);
  await isReady();
  return (performance.now() - startMs) / 1000;
}

function toMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(figures: readonly Figure[]): void {
  for (const { name, value, unit, bound } of figures) {
    const verdict = bound === undefined ? '' : `  at most ${bound}: ${value <= bound ? 'kept' : 'NOT KEPT'}`;
    console.log(`${name.padEnd(60)}${`${value.toFixed(2)} ${unit}`.padStart(10)}${verdict}`);
  }
}
