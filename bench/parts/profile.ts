import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readRuntime } from '#lab/runtime';
import { toOwner, toSelfTimes } from '../cpu-profile.ts';
import type { CpuProfile, SelfTime } from '../cpu-profile.ts';
import { sumAllocations } from '../heap-profile.ts';
import type { HeapProfile } from '../heap-profile.ts';
import { toMany, toTwelve } from '../image-sets.ts';
import type { Findings } from '../part.ts';
import { buildProfiledBundle } from '../profiled-bundle.ts';
import type { ProfiledBundle } from '../profiled-bundle.ts';
import { waitForReady } from '../ready.ts';
import { pushImages, startScene } from '../scene.ts';
import type { Table } from '../table.ts';

export const what = 'where the module spends time and memory during a rollout of 52 images';
export const isLong = true;

const REST_MS = 3000;
const SHOWN = 25;

/** A rollout under the CPU profiler, and one under the heap profiler. */
export async function run(): Promise<Findings> {
  const bundle = await buildProfiledBundle();
  try {
    const cpu = await rollOut(bundle, ['--cpu-prof', `--cpu-prof-dir=${bundle.dir}`]);
    const profile = JSON.parse(await readOnly(bundle.dir, '.cpuprofile')) as CpuProfile;
    const times = toSelfTimes(profile, await bundle.readMap(), cpu.patchedAtMicros);
    const heap = await rollOut(bundle, ['--heap-prof', `--heap-prof-dir=${bundle.dir}`]);
    const allocations = sumAllocations(
      JSON.parse(await readOnly(bundle.dir, '.heapprofile')) as HeapProfile,
      await bundle.readMap(),
    );
    const totalMs = times.reduce((sum, { ms }) => sum + ms, 0);
    return {
      tables: [
        toOwnerTable(times, cpu.seconds),
        toFunctionTable(times),
        {
          title: 'What still stands in memory at the end, by whose code took it (sampled)',
          columns: ['', 'kB'],
          rows: allocations.slice(0, 12).map(({ owner, bytes }) => [owner, (bytes / 1000).toFixed(0)]),
        },
      ],
      bounds: [
        { what: 'ms of CPU for each second of the rollout', value: totalMs / cpu.seconds, atMost: 100 },
      ],
      figures: {
        cpuSeconds: cpu.seconds,
        heapSeconds: heap.seconds,
        times: times.slice(0, 100),
        allocations,
      },
    };
  } finally {
    await rm(bundle.dir, { recursive: true });
  }
}

/** The moment of the patch, by the machine's monotonic clock, and how long it took until all was reported as there. */
async function rollOut(
  { programPath }: ProfiledBundle,
  profiler: readonly string[],
): Promise<{ readonly patchedAtMicros: number; readonly seconds: number }> {
  const { flags } = await readRuntime('Dockerfile.amd64');
  const scene = await startScene({ programPath, nodeFlags: [...flags, ...profiler] });
  try {
    const { edge, registry, plant } = scene;
    const images = await pushImages(registry, { ...toTwelve(20_000_000), ...toMany(40) });
    edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images: {} });
    const module = scene.startModule();
    await edge.waitForReported(({ agent }) => agent !== undefined, 30_000);
    await delay(REST_MS);
    const patchedAtMicros = Number(process.hrtime.bigint() / 1000n);
    edge.patchDesired({ images });
    await waitForReady(edge, Object.keys(images).length, 300_000);
    const seconds = (Number(process.hrtime.bigint() / 1000n) - patchedAtMicros) / 1e6;
    await module.stop();
    return { patchedAtMicros, seconds };
  } finally {
    await scene.stop();
  }
}

async function readOnly(dir: string, ending: string): Promise<string> {
  const name = (await readdir(dir)).find((file) => file.endsWith(ending));
  if (name === undefined) throw new Error(`no ${ending} in ${dir}`);
  return readFile(join(dir, name), 'utf8');
}

function toOwnerTable(times: readonly SelfTime[], seconds: number): Table {
  const owners = new Map<string, number>();
  for (const { file, ms } of times) owners.set(toOwner(file), (owners.get(toOwner(file)) ?? 0) + ms);
  const totalMs = times.reduce((sum, { ms }) => sum + ms, 0);
  const rows = [...owners].toSorted((a, b) => b[1] - a[1]);
  return {
    title: `CPU time of the module in a rollout of 52 images that took ${seconds.toFixed(1)} s, by whose code it is`,
    columns: ['', 'ms', '%'],
    rows: [['all', totalMs], ...rows].map(([name, ms]) => [
      String(name),
      Number(ms).toFixed(0),
      ((Number(ms) / totalMs) * 100).toFixed(1),
    ]),
  };
}

const toFunctionTable = (times: readonly SelfTime[]): Table => ({
  title: 'The functions with the most time of their own',
  columns: ['function', 'ms', 'of'],
  rows: times
    .slice(0, SHOWN)
    .map(({ name, file, ms }) => [
      `\`${name}\``,
      ms.toFixed(1),
      file.replace(/^.*node_modules\//, '') || 'V8',
    ]),
});
