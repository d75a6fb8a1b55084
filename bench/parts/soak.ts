import { globSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { toMany } from '../image-sets.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { readMemory } from '../process-memory.ts';
import { waitForReady } from '../ready.ts';
import { pushImages, startScene } from '../scene.ts';
import type { Scene, Wanted } from '../scene.ts';
import { toSlope, toSpread } from '../statistics.ts';
import { formatSpread } from '../table.ts';

export const what =
  'hours of changes, pulls, removals, disconnects and token renewals: is anything left behind?';
export const lane = 'waits';

const IMAGES = 24;
const REST_MS = 2000;
/** A token is renewed after 45 min: in a shorter soak the module's clock runs faster, where libfaketime is installed. */
const LONG_MINUTES = 100;
const MOST_TIMES_FASTER = 10;

interface Sample {
  readonly minutes: number;
  readonly anonBytes: number;
  readonly handles: number;
  readonly sockets: number;
}

/** One change after another; between two of them, what the process holds. */
export async function run({ minutes }: BenchOptions): Promise<Findings> {
  const faster = toFaster(minutes);
  const scene = await startScene({ environment: faster.environment });
  try {
    const wanted = await pushImages(scene.registry, toMany(IMAGES, 'soak'));
    const samples: Sample[] = [];
    const { pid } = scene.startModule();
    const startedMs = performance.now();
    const toMinutes = (): number => (performance.now() - startedMs) / 60_000;
    let turns = 0;
    for (; toMinutes() < minutes; turns += 1) {
      await play(scene, wanted, turns);
      await delay(REST_MS);
      samples.push({ minutes: toMinutes(), ...(await readHeld(pid)) });
    }
    return toFindings({ samples, turns, scene, times: faster.times });
  } finally {
    await scene.stop();
  }
}

/** Another third of the images each time; now and then edgeHub goes, or the registry. */
async function play({ edge, registry, plant }: Scene, wanted: Wanted, turn: number): Promise<void> {
  if (turn % 5 === 4) edge.cutConnections();
  const isAway = turn % 9 === 8;
  if (isAway) await registry.stop();
  const images = Object.fromEntries(Object.entries(wanted).filter((_, index) => (index + turn) % 3 === 0));
  edge.setDesired({
    schemaVersion: '1.0',
    registryCredentials: { plant },
    images,
    settings: { unlisted: 'remove', retryInitialSeconds: 1, retryMaxSeconds: 2 },
  });
  if (isAway) {
    await delay(REST_MS);
    await registry.start();
  }
  await edge.invokeMethod('GetStatus');
  await waitForReady(edge, Object.keys(images).length, 120_000);
}

function toFaster(minutes: number): { times: number; environment: Readonly<Record<string, string>> } {
  const [path] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  const times = Math.min(MOST_TIMES_FASTER, Math.ceil(LONG_MINUTES / minutes));
  if (path === undefined || times <= 1) return { times: 1, environment: {} };
  return { times, environment: { LD_PRELOAD: path, FAKETIME: `+0 x${times}` } };
}

async function readHeld(pid: number): Promise<Omit<Sample, 'minutes'>> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const { anonBytes } = await readMemory(pid);
  return {
    anonBytes,
    handles: links.length,
    sockets: links.filter((link) => link.startsWith('socket:')).length,
  };
}

function toFindings(found: {
  readonly samples: readonly Sample[];
  readonly turns: number;
  readonly scene: Scene;
  readonly times: number;
}): Findings {
  const { samples, turns, scene, times } = found;
  // The first quarter is the process still growing into its work.
  const settled = samples.slice(Math.floor(samples.length / 4));
  const slope = (toValue: (sample: Sample) => number): number =>
    toSlope(settled.map((sample) => [sample.minutes / 60, toValue(sample)] as const));
  const toMegabytes = ({ anonBytes }: Sample): number => anonBytes / 1024 ** 2;
  const memory = slope(toMegabytes);
  const handles = slope((sample) => sample.handles);
  const sockets = slope((sample) => sample.sockets);
  const rows = [
    ['anonymous memory, MB', formatSpread(toSpread(settled.map(toMegabytes)), 1), memory.toFixed(2)],
    ['open handles', formatSpread(toSpread(settled.map((sample) => sample.handles)), 0), handles.toFixed(2)],
    [
      '… of them sockets',
      formatSpread(toSpread(settled.map((sample) => sample.sockets)), 0),
      sockets.toFixed(2),
    ],
  ];
  const lasted = samples.at(-1)?.minutes ?? 0;
  return {
    tables: [
      {
        title: `${lasted.toFixed(0)} minutes: ${turns} desired documents, ${scene.edge.connections} connections to edgeHub, ${scene.registry.requests.length} requests at the registry; the module's clock ran ${times} times as fast`,
        columns: ['', 'median (least–most)', 'more each hour'],
        rows,
      },
    ],
    bounds: [
      // In minutes the heap is still finding its size: a slope says nothing then.
      lasted >= 60
        ? { what: 'MB of anonymous memory more each hour', value: memory, atMost: 0.5, quickAtMost: 2 }
        : {
            what: 'MB of anonymous memory at most',
            value: Math.max(...samples.map(toMegabytes)),
            atMost: 40,
            quickAtMost: 60,
          },
      lasted >= 60
        ? { what: 'handles more each hour', value: handles, atMost: 0.5, quickAtMost: 4 }
        : {
            what: 'handles more in the second half than in the first',
            value: toRise(settled.map((sample) => sample.handles)),
            atMost: 1,
            quickAtMost: 8,
          },
    ],
    figures: { turns, times, slopes: { memory, handles, sockets }, samples: thin(samples) },
  };
}

/** By how much the median of the second half is above that of the first. */
function toRise(values: readonly number[]): number {
  const middle = Math.floor(values.length / 2);
  return toSpread(values.slice(middle)).median - toSpread(values.slice(0, middle)).median;
}

/** Two hundred are enough to draw. */
const thin = (samples: readonly Sample[]): readonly Sample[] => {
  const step = Math.ceil(samples.length / 200);
  return samples.filter((_, index) => index % step === 0);
};
