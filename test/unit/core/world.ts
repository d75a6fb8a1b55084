import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { DesiredImage, DesiredRegistry, ImageSpec, Settings } from '#core/desired-state';
import { toRecord } from '#core/image-record';
import type { ImageRecord } from '#core/image-record';
import { OPEN } from '#core/opening';
import { toImageIndex } from '#core/presence';
import type { ListedImage } from '#core/presence';
import { formatRepository } from '#core/reference';
import type { Reference } from '#core/reference';
import { toRegistryRecord } from '#core/registry-record';
import type { Login, RegistryRecord } from '#core/registry-record';
import { Secret } from '#core/secret';
import type { Running, RunningPull, World } from '#core/world';

/** Worlds for tests of the plan, told by what is special about them. */

export const NOW_MS = Date.UTC(2026, 10, 24, 12);
export const ADDRESS = '127.0.0.1:8000';
export const digestOf = (digit: string): string => `sha256:${digit.repeat(64)}`;

export const toReference = (repository: string, tag = '1'): Reference => ({
  registry: ADDRESS,
  repository,
  tag,
});

export function toSpec(repository: string, more: Partial<ImageSpec> = {}): ImageSpec {
  return {
    reference: toReference(repository),
    registry: 'plant',
    pullPolicy: 'always',
    tagAs: [],
    priority: 0,
    ...more,
  };
}

export const PLANT: DesiredRegistry = {
  name: 'plant',
  address: ADDRESS,
  credentials: [
    { name: 'password', username: 'device', password: new Secret('one') },
    { name: 'password2', username: 'device', password: new Secret('two') },
  ],
};

const ACCEPTED: Login = { kind: 'accepted', credential: 'password', checkedAtMs: NOW_MS };

export interface Scene {
  readonly specs?: Readonly<Record<string, ImageSpec>>;
  readonly faults?: Readonly<Record<string, string>>;
  readonly settings?: Partial<Settings>;
  readonly records?: Readonly<Record<string, Partial<ImageRecord>>>;
  readonly listed?: readonly ListedImage[];
  readonly login?: Login;
  readonly registry?: Partial<RegistryRecord>;
  readonly pulls?: Readonly<Record<string, Partial<RunningPull>>>;
  readonly world?: Partial<World>;
}

/** Nothing has begun. */
export const IDLE: Running = {
  pulls: new Map(),
  checks: new Set(),
  measures: new Map(),
  logins: new Set(),
  tags: new Set(),
  removals: new Set(),
  refusals: new Set(),
};

/** An image as the engine lists it, pulled under its tag. */
export function listed({ reference, tagAs }: ImageSpec, digest = digestOf('a'), id = digest): ListedImage {
  const names = [reference, ...tagAs];
  return {
    id,
    tags: names.flatMap((name) => (name.tag === undefined ? [] : [`${formatRepository(name)}:${name.tag}`])),
    digests: [`${formatRepository(reference)}@${reference.digest ?? digest}`],
    sizeBytes: 1000,
  };
}

export function toWorld(scene: Scene): World {
  const { specs = {}, faults = {}, records = {}, pulls = {} } = scene;
  const images = new Map<string, DesiredImage>();
  for (const [name, spec] of Object.entries(specs)) images.set(name, { kind: 'image', name, spec });
  for (const [name, message] of Object.entries(faults)) {
    images.set(name, { kind: 'fault', name, reason: 'InvalidImage', message });
  }
  const running = new Map(
    Object.entries(pulls).map(([name, pull]): [string, RunningPull] => [
      name,
      {
        key: toRecord(undefined, specs[name] ?? toSpec(name)).key,
        reference: (specs[name] ?? toSpec(name)).reference,
        startedAtMs: NOW_MS,
        advancedAtMs: NOW_MS,
        diskBytes: 0,
        transport: 'engine',
        stage: 'fetching',
        isCancelling: false,
        ...pull,
      },
    ]),
  );
  return {
    nowMs: NOW_MS,
    generation: 1,
    desired: {
      version: 1,
      registries: new Map([['plant', PLANT]]),
      faultyRegistries: new Map(),
      images,
      misnamedImages: [],
      settings: { ...DEFAULT_SETTINGS, ...scene.settings },
      faults: [],
      unknownProperties: [],
    },
    images: new Map(
      Object.entries(specs).map(([name, spec]) => [name, { ...toRecord(undefined, spec), ...records[name] }]),
    ),
    registries: new Map([
      ['plant', { ...toRegistryRecord(undefined, PLANT), login: scene.login ?? ACCEPTED, ...scene.registry }],
    ]),
    engine: {
      kind: 'known',
      platform: { os: 'linux', architecture: 'amd64' },
      index: toImageIndex(scene.listed ?? []),
      platforms: new Map(),
      idsInUse: undefined,
    },
    freeBytes: undefined,
    running: { ...IDLE, pulls: running },
    stalledAddresses: new Set(),
    openings: new Map([[PLANT.address, OPEN]]),
    isRelayOn: false,
    routes: new Map(),
    contents: new Map(),
    keptBytes: new Map(),
    times: new Map(),
    owned: new Map(),
    claimed: new Map(),
    ...scene.world,
  };
}

/** The record of an image that was pulled and compared with the registry for the current desired properties. */
export const SETTLED: Partial<ImageRecord> = {
  checkedGeneration: 1,
  servedDigest: digestOf('a'),
  seen: { digest: digestOf('a'), sinceMs: NOW_MS },
};
