import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { Engine } from '#lab/engine/engine';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import { endScene, makeImage, openScene } from './scene.ts';
import type { Json, Scene } from './scene.ts';
import { startDocumentedFilter } from './endpoints.ts';

/** The long form has the sizes that the project promises; the short one shows the same on fewer bytes. */
export const IS_LONG = process.env['RELAY_TESTS'] === 'long';

/** Of the image that is pulled while everything breaks. */
export const LAYERS = 4;
export const LAYER_BYTES = IS_LONG ? 25_000_000 : 3_000_000;
/** Slow enough for a test to break something at a byte that it has chosen. */
export const LINK_BYTES_PER_SECOND = IS_LONG ? 8_000_000 : 5_000_000;
/** For `expect.poll`. */
export const LONG_WAIT = { timeout: IS_LONG ? 300_000 : 60_000, interval: 5 };

/** What of an image a registry may send in all, although everything breaks. */
export const FETCHED_AT_MOST = 1.02;

/** What may be on its way to a module that is killed: in the system, and in the module that has not written it yet. */
export const ON_ITS_WAY_BYTES = IS_LONG ? 2_000_000 : 1_000_000;

/** An image as it was pushed. */
export interface Pushed {
  readonly digest: string;
  /** Of its layers, at the registry. */
  readonly sizeBytes: number;
  /** From the bottom up. */
  readonly layers: readonly string[];
}

/** A scene whose module serves the relay and keeps bytes in a folder. */
export interface RelayStage extends Scene {
  readonly ownEngine: Engine;
  /** The module's `storageFolder`. */
  readonly storageDir: string;
  /** Pushes an image of layers by seed. */
  pushLayers(name: string, seeds: readonly string[], layerBytes?: number): Promise<Pushed>;
  /** Bytes of layers that the registry has sent since `forgetRequests`, of one repository or all. */
  fetched(repository?: string): number;
  /** Waits until the registry has sent at least so many bytes of layers. */
  waitForFetched(bytes: number): Promise<void>;
}

/**
 * One lab for all tests of a file: each begins with a module that is not started, an engine and a storage folder
 * without anything, and a registry without faults. What must not be anywhere is looked for at the end.
 */
export function useRelayStage(): () => RelayStage {
  let stage: RelayStage | undefined;
  const get = (): RelayStage => {
    if (stage === undefined) throw new Error('the stage is not there yet');
    return stage;
  };
  beforeAll(async () => {
    stage = await openRelayStage();
  });
  beforeEach(() => clear(get()));
  afterAll(async () => {
    if (stage !== undefined) await endScene(stage);
  });
  return get;
}

async function openRelayStage(): Promise<RelayStage> {
  const scene = await openScene({
    startFilter: startDocumentedFilter,
    hasRelay: true,
    environment: (dir) => ({ storageFolder: toStorageDir(dir), LOG_LEVEL: 'debug' }),
  });
  const { ownEngine } = scene;
  if (ownEngine === undefined) throw new Error('the lab has no engine of its own');
  const fetched = (repository?: string): number =>
    scene.requests('layers', repository).reduce((sum, { bytes }) => sum + bytes, 0);
  return Object.assign(scene, {
    ownEngine,
    storageDir: toStorageDir(scene.dir),
    fetched,
    async pushLayers(name: string, seeds: readonly string[], layerBytes = LAYER_BYTES) {
      const { digest } = await scene.push(name, seeds, layerBytes);
      const { layers } = await makeImage(seeds, layerBytes);
      return {
        digest,
        sizeBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        layers: layers.map((layer) => layer.digest),
      };
    },
    async waitForFetched(bytes: number) {
      await expect.poll(() => fetched(), LONG_WAIT).toBeGreaterThanOrEqual(bytes);
    },
  });
}

const toStorageDir = (dir: string): string => join(dir, 'storage');

async function clear(stage: RelayStage): Promise<void> {
  await stage.module?.stop();
  Object.assign(stage.registry.faults, NO_REGISTRY_FAULTS, { totalBytesPerSecond: LINK_BYTES_PER_SECOND });
  stage.registry.tokenLifetimeMs = 3_600_000;
  await stage.engine.removeAllImages();
  await rm(stage.storageDir, { recursive: true, force: true });
  await mkdir(stage.storageDir);
  stage.forgetRequests();
}

/** Pushes an image of layers that no other one has, and has the module begin to pull it. */
export async function beginPull(stage: RelayStage, name: string, settings: Json = {}): Promise<Pushed> {
  const pushed = await stage.pushLayers(`acme/${name}:1`, toSeeds(name));
  stage.desire({ app: `acme/${name}:1` }, { transport: 'relay', ...settings });
  stage.startModule();
  return pushed;
}

/** Waits until the image is in the engine under its real name alone, and looks at how it came. */
export async function expectPulled(stage: RelayStage, name: string, { digest }: Pushed): Promise<void> {
  await stage.waitForReady(LONG_WAIT.timeout);
  const repository = `${stage.registry.address}/acme/${name}`;
  expect(stage.image('app')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
  const [image, ...others] = await stage.engine.images();
  expect(others).toEqual([]);
  expect(image).toMatchObject({ references: [`${repository}:1`], digests: [`${repository}@${digest}`] });
}

/** What the registry sent, as a part of the image; told in the long form, as figures to keep. */
export function toShare(stage: RelayStage, what: string, { sizeBytes }: Pushed): number {
  const share = stage.fetched() / sizeBytes;
  if (IS_LONG) console.log(`FIGURE ${what}: ${share.toFixed(4)} of ${sizeBytes} bytes fetched`);
  return share;
}

/** Seeds of layers that no other image has. */
export const toSeeds = (name: string, count = LAYERS): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`);
