import { setTimeout as delay } from 'node:timers/promises';
import { syntheticImage } from '#lab/images/image';
import { startLab } from '#lab/lab';
import type { Lab } from '#lab/lab';
import { ensurePrerequisites } from '#lab/prerequisites';
import { readRuntime } from '#lab/runtime';
import type { Runtime } from '#lab/runtime';
import type { Findings } from '../part.ts';
import { readCpuMs, readMemory, watchPeak } from '../process-memory.ts';
import type { ProcessMemory } from '../process-memory.ts';
import { readCompressedSize, readSize, run as start } from '../shipped.ts';
import { toSpread } from '../statistics.ts';
import type { Table } from '../table.ts';

const STARTS = 9;
const IMAGES = 12;
const LAYER_BYTES = 10_000_000;
/** V8 tidies up some 8 s after the last work. */
const IDLE_MS = 20_000;
const MIB = 1024 ** 2;

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'MB' | 'ms';
  readonly bound?: number;
}

export const what = 'what the module costs: memory, start, size';
export const isLong = true;

/** Measures what the module costs a device. */
export async function run(): Promise<Findings> {
  await ensurePrerequisites();
  const runtime = await readRuntime('Dockerfile.amd64');
  // As shipped: what is served over HTTP is part of it.
  const lab = await startLab({ environment: { HTTP_PORT: '9600' } });
  try {
    const starts = await measureStarts(lab, runtime);
    const { idle, pulling } = await measureMemory(lab, runtime);
    const floor = await measureFloor(runtime);
    const figures = await toFigures({ starts, idle, pulling, floor });
    return {
      tables: [toTable(figures, runtime)],
      bounds: figures.flatMap(({ name, value, unit, bound }) =>
        bound === undefined ? [] : [{ what: `${name}, ${unit}`, value, atMost: bound }],
      ),
      figures: { flags: runtime.flags, figures },
    };
  } finally {
    await lab.stop();
  }
}

async function toFigures(measured: {
  readonly starts: readonly { readonly elapsedMs: number; readonly cpuMs: number }[];
  readonly idle: ProcessMemory;
  readonly pulling: ProcessMemory;
  readonly floor: ProcessMemory;
}): Promise<readonly Figure[]> {
  const { starts, idle, pulling, floor } = measured;
  return [
    { name: 'anonymous memory, connected and idle', value: idle.anonBytes / MIB, unit: 'MB', bound: 24 },
    { name: 'RSS, connected and idle', value: idle.rssBytes / MIB, unit: 'MB', bound: 72 },
    {
      name: `more of it at most while ${IMAGES} images are pulled`,
      value: (pulling.anonBytes - idle.anonBytes) / MIB,
      unit: 'MB',
      bound: 15,
    },
    {
      name: `process start to connected, median of ${STARTS}`,
      value: toSpread(starts.map(({ elapsedMs }) => elapsedMs)).median,
      unit: 'ms',
      bound: 300,
    },
    { name: 'the fastest of them', value: Math.min(...starts.map(({ elapsedMs }) => elapsedMs)), unit: 'ms' },
    { name: 'CPU time that it took', value: toSpread(starts.map(({ cpuMs }) => cpuMs)).median, unit: 'ms' },
    { name: 'bundle', value: (await readSize('dist/main.js')) / 1e6, unit: 'MB', bound: 1.2 },
    {
      name: 'bundle and init, compressed',
      value: (await readCompressedSize(['dist/main.js', 'dist/NOTICE', '/usr/bin/tini-static'])) / 1e6,
      unit: 'MB',
      bound: 3,
    },
    { name: 'bare Node.js with http and tls: anonymous', value: floor.anonBytes / MIB, unit: 'MB' },
    { name: 'bare Node.js with http and tls: RSS', value: floor.rssBytes / MIB, unit: 'MB' },
  ];
}

const toTable = (figures: readonly Figure[], runtime: Runtime): Table => ({
  title: `On Node.js ${process.version} with ${runtime.flags.join(' ')}`,
  columns: ['', 'measured'],
  rows: figures.map(({ name, value, unit }) => [name, `${value.toFixed(unit === 'ms' ? 0 : 2)} ${unit}`]),
});

async function measureStarts(
  { edge, environment }: Lab,
  image: Runtime,
): Promise<{ elapsedMs: number; cpuMs: number }[]> {
  const starts: { elapsedMs: number; cpuMs: number }[] = [];
  for (let count = 0; count < STARTS; count += 1) {
    const before = edge.connections;
    const startedMs = performance.now();
    const module = start(image, ['dist/main.js'], environment);
    while (edge.connections === before) await delay(1);
    starts.push({ elapsedMs: performance.now() - startedMs, cpuMs: await readCpuMs(module.pid) });
    await module.stop();
  }
  return starts;
}

async function measureMemory(
  { edge, registry, environment }: Lab,
  image: Runtime,
): Promise<{ idle: ProcessMemory; pulling: ProcessMemory }> {
  registry.scopeMaps.set('readers', ['repositories/acme/*/content/read']);
  registry.tokens.set('device', {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: 'bench' } },
  });
  const images: Record<string, string> = {};
  for (let index = 0; index < IMAGES; index += 1) {
    const seeds = ['base', `family-${index % 4}`, `own-${index}`];
    const layers = seeds.map((seed) => ({ seed, sizeBytes: LAYER_BYTES }));
    await registry.push(await syntheticImage({ layers }), `acme/image-${index}`, '1');
    images[`image-${index}`] = `acme/image-${index}:1`;
  }
  const module = start(image, ['dist/main.js'], environment);
  await edge.waitForReported(({ agent }) => agent !== undefined);
  await delay(IDLE_MS);
  const idle = await readMemory(module.pid);
  const plant = { address: registry.address, username: 'device', password: 'bench' };
  edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images });
  const isReady = edge.waitForReported(({ summary }) => {
    const { ready, pulled } = (summary ?? {}) as { ready?: boolean; pulled?: number };
    return ready === true && pulled === IMAGES;
  }, 120_000);
  const pulling = await watchPeak(module.pid, isReady);
  await module.stop();
  return { idle, pulling };
}

/** What a program that does nothing costs. */
async function measureFloor(image: Runtime): Promise<ProcessMemory> {
  const program = "require('node:http'); require('node:tls'); setInterval(() => {}, 1e6)";
  const node = start(image, ['--eval', program]);
  await delay(1000);
  const memory = await readMemory(node.pid);
  await node.stop();
  return memory;
}
