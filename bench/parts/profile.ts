import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readRuntime } from '#lab/runtime';
import { toOwner, toSelfTimes } from '../cpu-profile.ts';
import type { CpuProfile, SelfTime } from '../cpu-profile.ts';
import { sumAllocations } from '../heap-profile.ts';
import type { Allocation, HeapProfile } from '../heap-profile.ts';
import { toMany, toTwelve } from '../image-sets.ts';
import type { ImageSet } from '../image-sets.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { readCpuMs } from '../process-memory.ts';
import { buildProfiledBundle } from '../profiled-bundle.ts';
import type { ProfiledBundle } from '../profiled-bundle.ts';
import { waitForReady } from '../ready.ts';
import { pushImages, startScene } from '../scene.ts';
import { toSpread } from '../statistics.ts';
import type { Table } from '../table.ts';

export const what = 'where the module spends time and memory during a rollout of 52 images';

const REST_MS = 3000;
const SHOWN = 25;
/** Two rollouts of the same differ by a tenth and more. */
const COUNTED_ROUNDS = 3;

/**
 * Large images and small ones as they are, all of them under the CPU profiler and under the heap profiler; the quick form
 * has the third alone.
 */
export async function run({ isQuick }: BenchOptions): Promise<Findings> {
  const large = toTwelve(isQuick ? 2_000_000 : 20_000_000);
  const small = toMany(isQuick ? 10 : 40);
  const images = { ...large, ...small };
  const bundle = await buildProfiledBundle();
  try {
    const plain = isQuick ? undefined : await countPlain(bundle, { large, small });
    const cpu = await rollOut(bundle, images, ['--cpu-prof', `--cpu-prof-dir=${bundle.dir}`]);
    const profile = JSON.parse(await readOnly(bundle.dir, '.cpuprofile')) as CpuProfile;
    const times = toSelfTimes(profile, await bundle.readMap(), cpu.patchedAtMicros);
    const allocations = isQuick ? [] : await findAllocations(bundle, images);
    const count = Object.keys(images).length;
    return {
      tables: [
        toOwnerTable(times, count, cpu.seconds),
        toFunctionTable(times),
        {
          title: 'What still stands in memory at the end, by whose code took it (sampled)',
          columns: ['', 'kB'],
          rows: allocations.slice(0, 12).map(({ owner, bytes }) => [owner, (bytes / 1000).toFixed(0)]),
        },
      ].filter(({ rows }) => rows.length > 0),
      bounds:
        plain === undefined
          ? [
              {
                what: 'ms of CPU, as the kernel counts, for each second of the rollout',
                value: cpu.cpuMs / cpu.seconds,
                atMost: 300,
                quickAtMost: 500,
              },
            ]
          : [
              // How many seconds it is depends on how fast the bytes come.
              {
                what: 'ms of CPU, as the kernel counts, for each MB of large images that came through the relay',
                value: toSpread(plain.large.map(({ cpuMs, megabytes }) => cpuMs / megabytes)).median,
                atMost: 10,
              },
              {
                what: '… for each small image',
                value: toSpread(plain.small.map(({ cpuMs }) => cpuMs / Object.keys(small).length)).median,
                atMost: 50,
              },
            ],
      figures: {
        ...plain,
        profiledSeconds: cpu.seconds,
        times: times.slice(0, 100),
        allocations,
      },
    };
  } finally {
    await rm(bundle.dir, { recursive: true });
  }
}

/** Large images and small ones in turn, without a profiler. */
async function countPlain(
  bundle: ProfiledBundle,
  { large, small }: Record<'large' | 'small', ImageSet>,
): Promise<Record<'large' | 'small', readonly Rollout[]>> {
  const counted: Record<'large' | 'small', Rollout[]> = { large: [], small: [] };
  for (let round = 0; round < COUNTED_ROUNDS; round += 1) {
    counted.large.push(await rollOut(bundle, large, []));
    counted.small.push(await rollOut(bundle, small, []));
  }
  return counted;
}

async function findAllocations(bundle: ProfiledBundle, images: ImageSet): Promise<Allocation[]> {
  await rollOut(bundle, images, ['--heap-prof', `--heap-prof-dir=${bundle.dir}`]);
  const text = await readOnly(bundle.dir, '.heapprofile');
  return sumAllocations(JSON.parse(text) as HeapProfile, await bundle.readMap());
}

interface Rollout {
  /** The moment of the patch, by the machine's monotonic clock. */
  readonly patchedAtMicros: number;
  /** Until all was reported as there. */
  readonly seconds: number;
  /** CPU time of the module in these seconds. */
  readonly cpuMs: number;
  /** What the registry sent. */
  readonly megabytes: number;
}

async function rollOut(
  { programPath }: ProfiledBundle,
  sets: ImageSet,
  profiler: readonly string[],
): Promise<Rollout> {
  const { flags } = await readRuntime('Dockerfile.amd64');
  const scene = await startScene({ programPath, nodeFlags: [...flags, ...profiler] });
  try {
    const { edge, registry, plant } = scene;
    const images = await pushImages(registry, sets);
    edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images: {} });
    const module = scene.startModule();
    await edge.waitForReported(({ agent }) => agent !== undefined, 30_000);
    await delay(REST_MS);
    const bytesBefore = registry.bytesServed();
    const cpuBeforeMs = await readCpuMs(module.pid);
    const patchedAtMicros = Number(process.hrtime.bigint() / 1000n);
    edge.patchDesired({ images });
    await waitForReady(edge, Object.keys(images).length, 300_000);
    const seconds = (Number(process.hrtime.bigint() / 1000n) - patchedAtMicros) / 1e6;
    const cpuMs = (await readCpuMs(module.pid)) - cpuBeforeMs;
    await module.stop();
    const megabytes = (registry.bytesServed() - bytesBefore) / 1e6;
    return { patchedAtMicros, seconds, cpuMs, megabytes };
  } finally {
    await scene.stop();
  }
}

async function readOnly(dir: string, ending: string): Promise<string> {
  const name = (await readdir(dir)).find((file) => file.endsWith(ending));
  if (name === undefined) throw new Error(`no ${ending} in ${dir}`);
  return readFile(join(dir, name), 'utf8');
}

function toOwnerTable(times: readonly SelfTime[], images: number, seconds: number): Table {
  const owners = new Map<string, number>();
  for (const { file, ms } of times) owners.set(toOwner(file), (owners.get(toOwner(file)) ?? 0) + ms);
  const totalMs = times.reduce((sum, { ms }) => sum + ms, 0);
  const rows = [...owners].toSorted((a, b) => b[1] - a[1]);
  return {
    title: `CPU time of the module in a rollout of ${images} images that took ${seconds.toFixed(1)} s, by whose code it is`,
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
