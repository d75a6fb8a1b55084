import { expect } from 'vitest';
import { cutLink } from '#lab/namespace';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { RegistryFaults } from '#lab/registry/faults';
import { makeImage } from '#test/e2e/scene';
import { startTestEngine } from '#test/engine-under-test';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

const group = 'registry';
/** The engine waits for longer than the module would, or the module for the engine. */
const slow = { isSlow: true, recoveryMs: 120_000 };

/** Ends whatever is wrong at the registry. */
export const healRegistry = ({ registry }: Stage): void =>
  void Object.assign(registry.faults, NO_REGISTRY_FAULTS);

/** Waits until the image that was wanted last is reported as `phase`, and what was there is still reported as such. */
export async function waitForLatest(stage: Stage, phase: string, deadlineMs = 60_000): Promise<string> {
  await stage.waitForPhase(stage.latest(), phase, deadlineMs);
  expect(stage.phase('hello')).toBe('Pulled');
  return phase;
}

/** A fault that is nothing but switches of the registry's. */
function registrySwitch(
  name: string,
  switches: Partial<RegistryFaults>,
  reason: string,
  more: Partial<Fault> = {},
): Fault {
  return {
    group,
    name,
    inject: ({ registry }) => void Object.assign(registry.faults, switches),
    whileItLasts: (stage) => waitForLatest(stage, `Failed ${reason}`),
    heal: healRegistry,
    ...more,
  };
}

/**
 * The engine tries a layer again by itself, five times in 75 s: until then the image is being pulled, and so reported.
 * @param reason - of the failure that comes at last; none where the engine gets over it
 */
function layerSwitch(name: string, switches: Partial<RegistryFaults>, reason?: string): Fault {
  return registrySwitch(name, switches, reason ?? '', {
    ...slow,
    async whileItLasts(stage) {
      const repository = `acme/${stage.latest()}`;
      const asked = (): number => stage.requests('layers', repository).length;
      await stage.until('two attempts in vain', () => asked() >= 2);
      if (!stage.isLong) return `${stage.phase(stage.latest())}, ${asked()} attempts in vain`;
      return waitForLatest(stage, reason === undefined ? 'Pulled' : `Failed ${reason}`, 180_000);
    },
  });
}

const absences: readonly Fault[] = [
  {
    group,
    name: 'the registry refuses connections',
    inject: ({ registry }) => registry.stop(),
    whileItLasts: (stage) => waitForLatest(stage, 'Failed RegistryUnreachable'),
    heal: ({ registry }) => registry.start(),
  },
  registrySwitch('the registry accepts and never answers', { hang: true }, 'RegistryUnreachable', slow),
  {
    group,
    name: 'the registry falls silent in mid-blob, and holds the engine’s places',
    ...slow,
    async inject(stage) {
      stage.settings.set('stallTimeoutSeconds', 5);
      await stage.wantSlowly();
      stage.registry.faults.hang = true;
    },
    async whileItLasts(stage) {
      await stage.until('a stall', () => stage.output.includes('Stalled'), 60_000);
      return 'the pull was ended and told as Stalled';
    },
    heal: healRegistry,
  },
];

const STALL_SECONDS = 10;

/** Three images of the registry are being pulled, and hold all places that the engine has for layers. */
async function holdPlaces(stage: Stage, layers: number): Promise<void> {
  const { settings, registry } = stage;
  settings.set('stallTimeoutSeconds', STALL_SECONDS);
  settings.set('maxConcurrentPulls', 3);
  registry.faults.bytesPerSecond = 20_000;
  for (let count = 0; count < 4; count += 1) await stage.want({ layers, layerBytes: 300_000 });
  const underWay = (): number => stage.requests('layers').filter(({ bytes }) => bytes > 0).length;
  await stage.until('three layers under way', () => underWay() >= 3);
}

/** Rule 10: what hangs at one registry takes no place from another for long. */
async function pullFromAnother(stage: Stage): Promise<string> {
  const open = await stage.openRegistry();
  await open.push(await makeImage([`open-${stage.latest()}`]), 'acme/open', '1');
  stage.wanted.set('open', { image: `${open.address}/acme/open:1`, priority: -100 });
  const beganAtMs = performance.now();
  stage.desireAll();
  await stage.waitForPhase('open', 'Pulled', (STALL_SECONDS + 60) * 1000);
  const seconds = Math.round((performance.now() - beganAtMs) / 1000);
  return `the other image was pulled after ${seconds} s, with stallTimeoutSeconds ${STALL_SECONDS}`;
}

function deadLink(): Fault {
  let restore: (() => Promise<void>) | undefined;
  return {
    group,
    name: 'the link to the registry dies while it holds all places of the engine, and another registry’s image is wanted',
    ...slow,
    async inject(stage) {
      await holdPlaces(stage, 2);
      restore = await cutLink(Number(stage.registry.address.split(':')[1]));
    },
    whileItLasts: pullFromAnother,
    async heal(stage) {
      await restore?.();
      restore = undefined;
      healRegistry(stage);
    },
  };
}

const stalls: readonly Fault[] = [
  deadLink(),
  {
    group,
    name: 'the registry stops in its tracks while it holds all places of the engine, and another registry’s image is wanted',
    ...slow,
    async inject(stage) {
      // One layer each: what waits for a place in the engine gets one, and hangs there. docs/reliability.md says so.
      await holdPlaces(stage, 1);
      stage.registry.faults.hang = true;
    },
    whileItLasts: pullFromAnother,
    heal: healRegistry,
  },
];

/** A cut at every tenth of a layer, each in an image of its own. */
const cuts: Fault = {
  group,
  name: 'the connection breaks at every tenth of a layer',
  ...slow,
  // The engine's places stay taken while it waits to try a layer again.
  lab: {
    startEngine: (options) => startTestEngine({ ...options, config: { 'max-concurrent-downloads': 10 } }),
  },
  async inject(stage) {
    const { registry, settings, push, wanted } = stage;
    settings.set('maxConcurrentPulls', 10);
    const points = new Map<string, number>();
    for (let tenth = 0; tenth <= 9; tenth += 1) {
      const seed = `tenth-${tenth}-${Math.random()}`;
      const [layer] = (await makeImage([seed])).layers;
      if (layer === undefined) throw new Error('an image without layers');
      points.set(layer.digest, Math.floor((layer.sizeBytes * tenth) / 10));
      const reference = `acme/tenth:${tenth}`;
      await push(reference, [seed]);
      wanted.set(`tenth-${tenth}`, { image: reference, registry: 'plant' });
    }
    registry.faults.cutBlobAfterBytes = points;
    stage.desireAll();
  },
  async whileItLasts(stage) {
    const tried = (): Set<string> => new Set(stage.requests('layers', 'acme/tenth').map(({ path }) => path));
    await stage.until('ten cuts', () => tried().size === 10, 60_000);
    return `${tried().size} layers, each cut at another tenth`;
  },
  heal: healRegistry,
};

/** What can happen on the way to the registry, and at its address. */
export const registryFaults: readonly Fault[] = [
  ...absences,
  ...stalls,
  layerSwitch('the connection is reset in mid-blob', { cutBlobAfterBytes: 20_000, resets: true }),
  cuts,
  registrySwitch('/v2/ answers 503, and all else works', { pingStatus: 503 }, 'RegistryError'),
  registrySwitch('/v2/ answers 404, and all else works', { pingStatus: 404 }, 'RegistryError'),
  registrySwitch('manifests are answered with 500', { manifestStatus: 500 }, 'RegistryError'),
  registrySwitch('manifests are answered with 502', { manifestStatus: 502 }, 'RegistryError'),
  layerSwitch('blobs are answered with 503', { blobStatus: 503 }, 'RegistryError'),
  registrySwitch(
    'manifests are answered with 429 and Retry-After',
    { manifestStatus: 429, retryAfterSeconds: 5 },
    'RateLimited',
  ),
  registrySwitch(
    'blobs are answered with 429 and Retry-After',
    { blobStatus: 429, retryAfterSeconds: 5 },
    'RateLimited',
  ),
  registrySwitch('a blob is corrupt', { corruptBlob: 'any' }, 'Corrupt'),
  registrySwitch('a blob is missing', { missingBlob: 'any' }, 'Corrupt'),
  registrySwitch('a proxy answers with web pages', { html: true }, 'RegistryError'),
];
