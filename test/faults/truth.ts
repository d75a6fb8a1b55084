import type { EngineImage } from '#lab/engine/engine-client';
import { toObject } from '#test/e2e/scene';
import type { Scene } from '#test/e2e/scene';

type Json = Record<string, unknown>;

/** A report may be behind what just happened by as much: an event, a pass and a report lie between. */
const LAG_MS = 6000;
const LOOK_EVERY_MS = 400;
/** An engine that does not answer in this time cannot be compared with. */
const ENGINE_PATIENCE_MS = 2000;

/** Compares what is reported with what is there, until it is stopped. */
export interface TruthWatch {
  /** @returns what was reported for long and was not so, and how often it was looked */
  stop(): Promise<{ readonly lies: readonly string[]; readonly looks: number }>;
}

/** Begins to look. */
export function watchTruth({ edge, engine }: Scene): TruthWatch {
  const since = new Map<string, number>();
  const lies = new Set<string>();
  let looks = 0;
  const ending = new AbortController();

  async function look(): Promise<void> {
    const images = await atMost(ENGINE_PATIENCE_MS, engine.images());
    if (images === undefined) return;
    looks += 1;
    const found = findLies(edge.reported(), Number(edge.desired()['$version']), images);
    for (const lie of since.keys()) if (!found.includes(lie)) since.delete(lie);
    for (const lie of found) {
      const firstMs = since.get(lie) ?? performance.now();
      since.set(lie, firstMs);
      if (performance.now() - firstMs > LAG_MS) lies.add(lie);
    }
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  const running = run();
  return {
    async stop() {
      ending.abort();
      await running;
      return { lies: [...lies], looks };
    },
  };
}

/** What of the reported properties is not so. */
export function findLies(reported: Json, desiredVersion: number, images: readonly EngineImage[]): string[] {
  const present = new Set(images.flatMap(({ references, digests }) => [...references, ...digests]));
  const entries = Object.entries(toObject(reported['images'])).map(
    ([name, entry]) => [name, toObject(entry)] as const,
  );
  const lies = entries
    .filter(([, { phase, image }]) => phase === 'Pulled' && !present.has(toPresentName(String(image))))
    .map(([name]) => `${name} is reported as Pulled, and the engine does not have it`);
  const { ready, desired, pulled, pulling, waiting, failed } = toObject(reported['summary']);
  if (ready === true && pulled !== desired) lies.push('ready with images that are not pulled');
  const parts = [pulled, pulling, waiting, failed].reduce<number>(
    (sum, count) => sum + Number(count ?? 0),
    0,
  );
  if (desired !== undefined && parts !== desired) lies.push('the counts do not sum up');
  if (Number(reported['lastDesiredVersion'] ?? 0) > desiredVersion) lies.push('a version that never was');
  return lies;
}

/** `repository:tag@digest` is present by its tag. */
const toPresentName = (image: string): string => image.replace(/(:[^/@]+)@.*$/, '$1');

/** What `promise` brings, or undefined where it fails or takes longer. */
async function atMost<T>(patienceMs: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs);
  });
  try {
    return await Promise.race([promise.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
