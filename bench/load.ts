/**
 * `npm run bench:load`: whether it would pay to fetch blobs and stream them to the engine's `POST /images/load` instead of
 * having the engine pull them through the relay; both, and the engine's own pull, in turn. `LAB_DOCKERD` and
 * `LAB_CONTAINERD_SNAPSHOTTER` name another engine. Prints tables and keeps the figures, by engine, in
 * bench/results/load.json. Needs root.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { callEngineJson } from '#lab/engine/engine-api';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import { readRuntime } from '#lab/runtime';
import { startTestEngine } from '#test/engine-under-test';
import { toTwelve } from './image-sets.ts';
import type { TurnAnswer, TurnOrder, Way } from './load-turn.ts';
import { WAYS } from './load-turn.ts';
import { pushImages, settleDisk, startScene, toReferences } from './scene.ts';
import type { Wanted } from './scene.ts';
import { toRatios, toSpread } from './statistics.ts';
import { formatSpread, formatTable } from './table.ts';
import { readCpuSeconds, readDisk, watchWeight } from './weight.ts';
import type { Weight } from './weight.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const LAYER_BYTES = 20_000_000;
const RECORD = 'bench/results/load.json';
const LINKS = { loopback: undefined, '25 MB/s': 25_000_000 } as const;
const SETS = {
  '1 image of 60 MB': { single: [0, 1, 2].map((at) => ({ seed: `single-${at}`, sizeBytes: LAYER_BYTES })) },
  '12 images of 30 MB that share layers': toTwelve(LAYER_BYTES / 2),
} as const;
/** Of an engine without images. */
const EMPTY_BYTES = 5_000_000;
const EMPTY_DEADLINE_MS = 20_000;

/** One turn: the engine has none of the images, and shall have all. */
interface Turn extends TurnAnswer {
  /** That the registry sent. */
  readonly fetchedBytes: number;
  /** Of CPU time, of the engine and of what it started. */
  readonly engineCpuSeconds: number;
  /** Processes that ran or wanted to, by the kernel's average of a minute. */
  readonly load: number;
}

interface Trial {
  readonly set: string;
  readonly link: string;
  /** By way, in the order of the rounds. */
  readonly turns: Readonly<Partial<Record<Way, readonly Turn[]>>>;
  /** Of the round that finds caches cold, whose time does not count. */
  readonly weights: Readonly<Partial<Record<Way, Weight>>>;
}

const { flags, environment } = await readRuntime('Dockerfile.amd64');
const scene = await startScene({ startEngine: startTestEngine });
const { ownEngine, registry, plant } = scene;
if (ownEngine === undefined) throw new Error('the lab has no engine of its own');
const folder = join(scene.dir, 'kept');
try {
  const info = JSON.stringify(await callEngineJson(ownEngine.dockerHost, { path: '/info' }));
  const isContainerd = info.includes('io.containerd.snapshotter.v1');
  const name = `${await ownEngine.version()}, ${isContainerd ? 'containerd' : 'classic'}`;
  const trials: Trial[] = [];
  for (const [set, images] of Object.entries(SETS)) {
    const wanted = await pushImages(registry, images);
    // One image lacks no layer.
    const ways = Object.keys(wanted).length === 1 ? WAYS.slice(0, 3) : WAYS;
    for (const [link, bytesPerSecond] of Object.entries(LINKS)) {
      const trial = await runTrial({ set, link, bytesPerSecond, wanted, ways, isContainerd });
      trials.push(trial);
      print(name, trial);
    }
  }
  const before = JSON.parse(await readFile(RECORD, 'utf8').catch(() => '{}')) as object;
  await writeFile(RECORD, `${JSON.stringify({ ...before, [name]: trials }, undefined, 2)}\n`);
} finally {
  await scene.stop();
}
process.exit();

async function runTrial(trial: {
  readonly set: string;
  readonly link: string;
  readonly bytesPerSecond: number | undefined;
  readonly wanted: Wanted;
  readonly ways: readonly Way[];
  readonly isContainerd: boolean;
}): Promise<Trial> {
  const { set, link, bytesPerSecond, wanted, ways, isContainerd } = trial;
  const turns: Partial<Record<Way, Turn[]>> = {};
  const weights: Partial<Record<Way, Weight>> = {};
  for (let round = bytesPerSecond === undefined ? 0 : 1; round <= ROUNDS; round += 1) {
    for (const way of ways) {
      await emptyEngine(round === 0 || isContainerd);
      Object.assign(registry.faults, NO_REGISTRY_FAULTS, { totalBytesPerSecond: bytesPerSecond });
      const sentBefore = registry.bytesServed();
      const enginePid = ownEngine?.pid ?? 0;
      const cpuBefore = await readCpuSeconds(enginePid);
      const { weight, ...answer } = await take(way, wanted, round === 0);
      const load = loadavg()[0] ?? Number.NaN;
      const turn = {
        ...answer,
        fetchedBytes: registry.bytesServed() - sentBefore,
        engineCpuSeconds: (await readCpuSeconds(enginePid)) - cpuBefore,
        load,
      };
      if (weight === undefined) (turns[way] ??= []).push(turn);
      else weights[way] = weight;
      console.error(`${set}, ${link}, round ${round}: ${way} ${JSON.stringify(turn)}`);
      await requireAll(wanted, way);
    }
  }
  return { set, link, turns, weights };
}

/** The containerd store forgets what nobody needs when it likes, and when it starts. */
async function emptyEngine(isRestarted: boolean): Promise<void> {
  await ownEngine?.removeAllImages();
  if (isRestarted) await ownEngine?.restart();
  await settleDisk();
  const deadlineMs = performance.now() + EMPTY_DEADLINE_MS;
  while ((await readDisk([ownEngine?.dataRoot ?? ''])) > EMPTY_BYTES) {
    if (performance.now() > deadlineMs) throw new Error('the engine keeps what nobody needs');
  }
}

async function take(
  way: Way,
  wanted: Wanted,
  isWatched: boolean,
): Promise<TurnAnswer & { readonly weight: Weight | undefined }> {
  const env = { ...process.env, ...environment };
  const child = fork('bench/load-turn.ts', { execArgv: [...flags], env });
  const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`it ended with ${code}`)));
  failed.catch(() => undefined);
  try {
    await Promise.race([once(child, 'message'), failed]);
    const watch = isWatched
      ? await watchWeight({
          dirs: [ownEngine?.dataRoot ?? '', folder],
          agentPid: child.pid ?? 0,
          enginePid: ownEngine?.pid ?? 0,
        })
      : undefined;
    const dockerHost = ownEngine?.dockerHost ?? '';
    const order: TurnOrder = { way, dockerHost, access: plant, images: Object.values(wanted), folder };
    child.send(order);
    const [answer] = (await Promise.race([once(child, 'message'), failed])) as [TurnAnswer];
    return { ...answer, weight: await watch?.stop() };
  } finally {
    child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Under their names alone, and with the registry's digest. */
async function requireAll(wanted: Wanted, way: Way): Promise<void> {
  for (const reference of toReferences(scene, wanted)) {
    const image = await ownEngine?.inspect(reference);
    if (image?.digests.length !== 1 || image.references.length !== 1)
      throw new Error(`${way}: ${reference} is ${JSON.stringify(image)}`);
  }
}

function print(engine: string, { set, link, turns, weights }: Trial): void {
  const toSeconds = (way: Way): number[] => (turns[way] ?? []).map(({ seconds }) => seconds);
  const toMegabytes = (bytes = 0): string => (bytes === 0 ? '' : (bytes / 1e6).toFixed(0));
  const toCpu = (way: Way): number[] =>
    (turns[way] ?? []).map(({ cpuSeconds, engineCpuSeconds }) => cpuSeconds + engineCpuSeconds);
  const rows = WAYS.filter((way) => turns[way] !== undefined).map((way) => [
    way,
    formatSpread(toSpread(toSeconds(way))),
    formatSpread(toRatios(toSeconds(way), toSeconds('the relay'))),
    formatSpread(toSpread(toCpu(way))),
    formatSpread(toRatios(toCpu(way), toCpu('the relay'))),
    toMegabytes(turns[way]?.at(-1)?.fetchedBytes),
    toMegabytes(turns[way]?.at(-1)?.loadedBytes),
    toMegabytes(weights[way]?.diskBytes),
    toMegabytes(weights[way]?.agentBytes),
    toMegabytes(weights[way]?.engineBytes),
  ]);
  const columns = [
    '',
    'seconds',
    '× the relay',
    'CPU seconds',
    '× the relay',
    'MB sent',
    'MB loaded',
    'MB disk',
    'MB agent',
    'MB engine',
  ];
  console.log(`\n${formatTable({ title: `${engine}: ${set}, ${link}`, columns, rows })}\n`);
}
