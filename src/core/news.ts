import type { FailureReason } from '#core/reason';
import type { CheckQuestion } from '#core/registry-advice';
import type { Standing } from '#core/world';

/** One thing that happened, as it is told once. */
export type News =
  | {
      readonly event: 'ImagePulled';
      readonly name: string;
      readonly image: string;
      readonly digest: string;
      readonly durationMs: number;
      /** That this pull downloaded. */
      readonly bytes: number;
    }
  | (Failing & { readonly event: 'ImagePullFailed'; readonly name: string; readonly image: string })
  | {
      readonly event: 'ImageEvicted';
      readonly name: string;
      readonly image: string;
      readonly digest?: string;
    }
  | (Failing & { readonly event: 'RegistryLoginFailed'; readonly name: string; readonly address: string })
  | {
      readonly event: 'RegistryLoginRestored';
      readonly name: string;
      readonly address: string;
      /** Since the first failure. */
      readonly durationMs: number;
    }
  | {
      readonly event: 'Ready';
      /** Of the set of all images. */
      readonly digest: string;
      /** Since the desired properties came. */
      readonly durationMs: number;
      /** Downloaded since then. */
      readonly bytes: number;
    };

interface Failing {
  readonly reason: FailureReason;
  readonly message: string;
}

/** What was told of what is not well, and of the last time when all was: nothing of it is told again. */
export interface Told {
  /** By name; of images that have not been seen since they failed. */
  readonly images: Readonly<Record<string, { readonly image: string; readonly reason: FailureReason }>>;
  /** By name; of registries that have not been logged in to since. */
  readonly registries: Readonly<Record<string, ToldRegistry>>;
  readonly ready?: { readonly digest: string; readonly version?: number };
}

interface ToldRegistry {
  readonly address: string;
  readonly reason: FailureReason;
  /** Of the first failure, milliseconds since 1970. */
  readonly sinceMs: number;
}

export const NOTHING_TOLD: Told = { images: {}, registries: {} };

/** How everything stands, as far as it is told. */
export interface NewsScene {
  readonly nowMs: number;
  /** Of the desired images that are not here; of those that are nothing is told. */
  readonly images: ReadonlyMap<string, NewsImage>;
  /** Of all desired registries. */
  readonly registries: ReadonlyMap<string, NewsRegistry>;
  /** Absent while not everything is ready. */
  readonly ready?: NonNullable<Told['ready']> & { readonly durationMs: number; readonly bytes: number };
}

export interface NewsImage {
  readonly image: string;
  readonly standing: Standing;
  /** Whether it failed by itself: of an engine that is away or a login that fails, not every image is told. */
  readonly isOwnFailure: boolean;
  /** Its registry's name, where that is a listed one. */
  readonly registry?: string;
  /** What advice on a failure depends on. */
  readonly question?: CheckQuestion;
}

export type NewsRegistry = { readonly address: string; readonly question?: CheckQuestion } & (
  { readonly kind: 'unknown' | 'accepted' } | (Failing & { readonly kind: 'failed' })
);

/** What a piece of news is about. */
export function toSubject(news: News): string {
  switch (news.event) {
    case 'Ready':
      return 'ready';
    case 'RegistryLoginFailed':
    case 'RegistryLoginRestored':
      return `registry ${news.name}`;
    case 'ImagePulled':
    case 'ImagePullFailed':
    case 'ImageEvicted':
      return `image ${news.name}`;
  }
}

/** Compares how everything stands with what was told of it. Pure. */
export function findNews(
  before: Told,
  scene: NewsScene,
): { readonly told: Told; readonly news: readonly News[] } {
  const news: News[] = [];
  const images = tellImages(before, scene, news);
  const registries = tellRegistries(before, scene, news);
  const ready = tellReady(before, scene, news);
  return { told: { images, registries, ...(ready === undefined ? {} : { ready }) }, news };
}

/**
 * What was heard of what was told: of everything about which news still waits to be sent, what was heard before. It is
 * what outlives the process, which takes with it what waits.
 */
export function toHeard(heard: Told, told: Told, waiting: ReadonlySet<string>): Told {
  const ready = waiting.has('ready') ? heard.ready : told.ready;
  return {
    images: choose(heard.images, told.images, (name) => waiting.has(`image ${name}`)),
    registries: choose(heard.registries, told.registries, (name) => waiting.has(`registry ${name}`)),
    ...(ready === undefined ? {} : { ready }),
  };
}

function choose<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  isBefore: (name: string) => boolean,
): Record<string, T> {
  return Object.fromEntries([
    ...Object.entries(before).filter(([name]) => isBefore(name)),
    ...Object.entries(after).filter(([name]) => !isBefore(name)),
  ]);
}

/**
 * The machine's clock was set: what began by the clock as it was began as long ago as before. What is remembered of a time
 * that this clock had not come to is of another one, which was right.
 *
 * @param nowMs - by the clock as it is now
 */
export function shiftTold(told: Told, byMs: number, nowMs: number): Told {
  const registries = Object.entries(told.registries).map(([name, registry]) => {
    const { sinceMs } = registry;
    return [name, sinceMs > nowMs - byMs ? registry : { ...registry, sinceMs: sinceMs + byMs }] as const;
  });
  return { ...told, registries: Object.fromEntries(registries) };
}

/** After an eviction, being ready again is news. */
export function withoutReady({ images, registries }: Told): Told {
  return { images, registries };
}

function tellReady({ ready: before }: Told, { ready }: NewsScene, news: News[]): Told['ready'] {
  if (ready === undefined) return before;
  const { digest, version, durationMs, bytes } = ready;
  if (before?.digest === digest && before.version === version) return before;
  news.push({ event: 'Ready', digest, durationMs, bytes });
  return { digest, ...(version === undefined ? {} : { version }) };
}

function tellImages(before: Told, scene: NewsScene, news: News[]): Told['images'] {
  const images: Record<string, Told['images'][string]> = {};
  for (const [name, { image, standing, isOwnFailure }] of scene.images) {
    const known = Object.hasOwn(before.images, name) ? before.images[name] : undefined;
    const old = known?.image === image ? known : undefined;
    if (standing.phase === 'Failed' && isOwnFailure) {
      const { reason, message } = standing;
      images[name] = { image, reason };
      if (old?.reason !== reason) news.push({ event: 'ImagePullFailed', name, image, reason, message });
    } else if (standing.phase !== 'Pulled' && old !== undefined) {
      images[name] = old;
    }
  }
  return images;
}

function tellRegistries(before: Told, scene: NewsScene, news: News[]): Told['registries'] {
  const registries: Record<string, ToldRegistry> = {};
  for (const [name, registry] of scene.registries) {
    const { address } = registry;
    const known = Object.hasOwn(before.registries, name) ? before.registries[name] : undefined;
    const old = known?.address === address ? known : undefined;
    if (registry.kind === 'failed') {
      const { reason, message } = registry;
      registries[name] = { address, reason, sinceMs: old?.sinceMs ?? scene.nowMs };
      if (old?.reason !== reason) news.push({ event: 'RegistryLoginFailed', name, address, reason, message });
    } else if (old !== undefined && registry.kind === 'unknown') {
      registries[name] = old;
    } else if (old !== undefined) {
      const durationMs = Math.max(scene.nowMs - old.sinceMs, 0);
      news.push({ event: 'RegistryLoginRestored', name, address, durationMs });
    }
  }
  return registries;
}
