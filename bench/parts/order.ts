import { startEngine } from '#lab/engine/engine';
import type { LayerSpec } from '#lab/images/layer';
import { pullByModule } from '../module-turn.ts';
import { LINKS } from '../links.ts';
import type { Link } from '../links.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { pushImages, settleDisk, startScene } from '../scene.ts';
import type { Scene, Wanted } from '../scene.ts';
import { toRatios, toSpread } from '../statistics.ts';
import { formatSpread } from '../table.ts';
import { toOrder } from '../turns.ts';

export const what =
  'what the order of pulls and their number at once are worth, by the bare Engine API and the module';
export const isLong = true;

interface Sized {
  readonly reference: string;
  readonly family: number;
  readonly sizeBytes: number;
}

/** An order, and how many pulls are in flight at most; by the bare Engine API. */
interface Way {
  readonly name: string;
  readonly width: number;
  readonly order: (images: readonly Sized[]) => readonly Sized[];
  /** So many are pulled alone before the others begin. */
  readonly alone?: number;
}

const byName = (images: readonly Sized[]): readonly Sized[] => images;
const bySize = (sign: 1 | -1) => (images: readonly Sized[]) =>
  images.toSorted((a, b) => sign * (a.sizeBytes - b.sizeBytes));
/** One of each family first: what the others share comes with it. */
const oneOfEach = (images: readonly Sized[]): readonly Sized[] => {
  const first = images.filter(
    ({ family }, index) => images.findIndex((other) => other.family === family) === index,
  );
  return [...first, ...images.filter((image) => !first.includes(image))];
};
const inFamilies = (images: readonly Sized[]): readonly Sized[] =>
  images.toSorted((a, b) => a.family - b.family);

const BASE = 'by name, 3 at once';
/** The module, which has what only unpacks hold no place. */
const MODULE = 'by name, 3 at once, the module';
const WAYS: readonly Way[] = [
  { name: BASE, width: 3, order: byName },
  { name: 'by name, 1 at once', width: 1, order: byName },
  { name: 'by name, 2 at once', width: 2, order: byName },
  { name: 'by name, 6 at once', width: 6, order: byName },
  { name: 'by name, all at once', width: Infinity, order: byName },
  { name: 'the largest first, 3 at once', width: 3, order: bySize(-1) },
  { name: 'the smallest first, 3 at once', width: 3, order: bySize(1) },
  { name: 'one of each family first, 3 at once', width: 3, order: oneOfEach },
  { name: 'family by family, 3 at once', width: 3, order: inFamilies },
  { name: 'one alone, then 3 at once', width: 3, order: byName, alone: 1 },
];

/** Twelve images of three families and different sizes, compressible as most are, so that extraction counts. */
export async function run({ rounds = 3 }: BenchOptions): Promise<Findings> {
  const tables: Findings['tables'][number][] = [];
  const figures: unknown[] = [];
  for (const store of ['classic', 'containerd'] as const) {
    const scene = await startScene({
      startEngine: (options) =>
        startEngine({ ...options, ...(store === 'containerd' ? { containerdSnapshotter: true } : {}) }),
    });
    try {
      if (store === 'containerd' && !(await keepsInContainerd(scene))) break;
      const set = await pushSized(scene);
      for (const link of LINKS.slice(0, 2)) {
        const seconds = await tryWays({ scene, set, link, rounds });
        const base = seconds.get(BASE) ?? [];
        tables.push({
          title: `12 images of 3 families, ${store} store, ${link.name}`,
          columns: ['', 'seconds', '× by name, 3 at once'],
          rows: [...seconds].map(([name, values]) => [
            name,
            formatSpread(toSpread(values)),
            formatSpread(toRatios(values, base)),
          ]),
        });
        figures.push({ store, link: link.name, seconds: Object.fromEntries(seconds) });
      }
    } finally {
      await scene.stop();
    }
  }
  return { tables, bounds: [], figures };
}

/** An engine before Docker 24 has the classic store alone, whatever it is told. */
async function keepsInContainerd({ engine }: Scene): Promise<boolean> {
  return Number.parseInt(await engine.version(), 10) >= 24;
}

/** The same images as the module is told of them, and as the engine is. */
interface SizedSet {
  readonly wanted: Wanted;
  readonly images: readonly Sized[];
}

async function pushSized({ registry }: Scene): Promise<SizedSet> {
  const sized = Array.from({ length: 12 }, (_, index) => {
    const family = index % 3;
    const layers: LayerSpec[] = [
      { seed: 'order base', sizeBytes: 40_000_000, compressible: true },
      { seed: `order family ${family}`, sizeBytes: 20_000_000, compressible: true },
      // Names say nothing of sizes.
      { seed: `order ${index}`, sizeBytes: 5_000_000 * (1 + ((index * 7) % 12)), compressible: true },
    ];
    return { name: `order-${String(index).padStart(2, '0')}`, family, layers };
  });
  const wanted = await pushImages(
    registry,
    Object.fromEntries(sized.map(({ name, layers }) => [name, layers])),
  );
  const images = sized.map(({ name, family, layers }) => ({
    reference: `${registry.address}/${wanted[name]}`,
    family,
    sizeBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  }));
  return { wanted, images };
}

async function tryWays(trial: {
  readonly scene: Scene;
  readonly set: SizedSet;
  readonly link: Link;
  readonly rounds: number;
}): Promise<Map<string, number[]>> {
  const { scene, set, link, rounds } = trial;
  const turns = [
    ...WAYS.map((way) => ({ name: way.name, take: () => timePulls(scene, way, set.images) })),
    { name: MODULE, take: () => timeModule(scene, set.wanted) },
  ];
  const seconds = new Map<string, number[]>(turns.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, take } of toOrder(turns, round)) {
      await scene.engine.removeAllImages();
      await settleDisk();
      Object.assign(scene.registry.faults, link.toFaults(round));
      const took = await take();
      seconds.get(name)?.push(took);
      console.error(`${link.name}, round ${round + 1}: ${name} ${took.toFixed(2)} s`);
    }
  }
  await scene.engine.removeAllImages();
  return seconds;
}

async function timeModule(scene: Scene, wanted: Wanted): Promise<number> {
  const { seconds } = await pullByModule({ scene, wanted }, { transport: 'engine' });
  return seconds;
}

async function timePulls({ engine, plant }: Scene, way: Way, images: readonly Sized[]): Promise<number> {
  const startedMs = performance.now();
  const queue = way.order(images).map(({ reference }) => reference);
  const credentials = { username: plant.username, password: plant.password };
  const pull = async (reference: string): Promise<void> => {
    const { error } = await engine.pull(reference, { credentials });
    if (error !== undefined) throw new Error(`${reference}: ${error}`);
  };
  for (const reference of queue.splice(0, way.alone ?? 0)) await pull(reference);
  const work = async (): Promise<void> => {
    for (let reference = queue.shift(); reference !== undefined; reference = queue.shift())
      await pull(reference);
  };
  await Promise.all(Array.from({ length: Math.min(way.width, queue.length) }, work));
  return (performance.now() - startedMs) / 1000;
}
