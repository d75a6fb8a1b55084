import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NO_FAULTS } from '#lab/edge';
import { toEnvironment } from '#lab/lab';
import type { LabOptions } from '#lab/lab';
import type { ModuleProcess } from '#lab/module';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { Registry } from '#lab/registry/registry';
import { readRuntime } from '#lab/runtime';
import { openScene, toObject, toPhases } from '#test/e2e/scene';
import type { Scene } from '#test/e2e/scene';

type Json = Record<string, unknown>;

/** How an image that is wanted is made. */
export interface WantOptions {
  /** Default: a new one, such as `image-7`. */
  readonly name?: string;
  /** Default 1. */
  readonly layers?: number;
  /** Of each layer. Default 50,000. */
  readonly layerBytes?: number;
  /** More of the entry in `images`. */
  readonly entry?: Json;
}

/** What faults are played on: a scene whose module is ready, and what is wanted of it. */
export interface Stage extends Scene {
  /** Whether this is the long form. */
  readonly isLong: boolean;
  /** Pushes a new image and wants it besides all others. @returns its name */
  want(options?: WantOptions): Promise<string>;
  /** Sets desired to `wanted`, `registries` and `settings`; for changes that are not made by `want`. */
  desireAll(): void;
  /** The images that are wanted, by name, as desired has them. */
  readonly wanted: Map<string, unknown>;
  /** As desired has them; first just `plant`. */
  readonly registries: Map<string, Json>;
  /** Over short delays, until the fault is over. */
  readonly settings: Map<string, unknown>;
  /** Wants so many images besides, which are one under many tags. */
  wantMany(count: number): Promise<void>;
  /** One more registry, which asks for no password; always the same. */
  openRegistry(): Promise<Registry>;
  /** The image that was wanted last. */
  latest(): string;
  /** Wants an image of four layers from a slow registry, and waits until it is being pulled. @returns its name */
  wantSlowly(options?: WantOptions): Promise<string>;
  /** Takes all faults back, wants just what every fault begins with, and waits until that is there. */
  settle(): Promise<void>;
  /** The module's process. @throws when none was started */
  process(): ModuleProcess;
  /** How often the faults themselves started the module anew. */
  readonly restarts: { count: number };
  /** Starts the module again, after SIGTERM or SIGKILL. @returns how the old one ended */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<ModuleProcess['ending']>;
  /** Phase and reason of one image, as reported now: `Failed NotFound`; empty where there is none. */
  phase(name: string): string;
  /** Waits until an image is reported in this phase, or phase and reason. */
  waitForPhase(name: string, phase: string, deadlineMs?: number): Promise<void>;
  /** Waits for a condition that no report tells. */
  until(what: string, condition: () => boolean | Promise<boolean>, deadlineMs?: number): Promise<void>;
}

/** The kind of lab that a fault is played in. */
export interface StageOptions extends LabOptions {
  /** Over short delays, for all faults of this lab. */
  readonly settings?: Json;
}

/** Quick enough for a test, and otherwise what a site may set. */
export const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 3, reportIntervalSeconds: 1 };

/** Each refusal and each attempt is a line, by which faults know what the module is at. */
const LOG_LEVEL = { LOG_LEVEL: 'debug' };

const SLOW_BYTES_PER_SECOND = 40_000;

/** Opens a scene and starts the module; whoever opened it stops it. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const programPath = process.env['FAULTS_PROGRAM'];
  const { flags, environment } = await readRuntime('Dockerfile.amd64');
  const scene = await openScene({
    ...(programPath === undefined ? {} : { programPath }),
    nodeFlags: flags,
    ...options,
    environment: (dir) => ({ ...environment, ...LOG_LEVEL, ...toEnvironment(options.environment, dir) }),
  });
  const { edge, registry } = scene;
  const hello = { image: 'hello-world', registry: 'plant' };
  const wanted = new Map<string, unknown>([['hello', hello]]);
  const registries = new Map<string, Json>([['plant', scene.plant]]);
  const settings = new Map<string, unknown>();
  let images = 0;
  let open: Promise<Registry> | undefined;
  const restarts = { count: 0 };

  const stage: Stage = Object.assign(scene, {
    isLong: process.env['FAULTS_FORM'] === 'long',
    wanted,
    registries,
    settings,
    desireAll() {
      const quick = { ...QUICK, ...options.settings, ...Object.fromEntries(settings) };
      scene.desire(Object.fromEntries(wanted), quick, Object.fromEntries(registries));
    },
    latest: () => [...wanted.keys()].at(-1) ?? '',
    async want({ name, layers = 1, layerBytes = 50_000, entry }: WantOptions = {}) {
      images += 1;
      const own = name ?? `image-${images}`;
      // A tag of its own each time: no layer is there already.
      const reference = `acme/${own.toLowerCase()}:${images}`;
      const seeds = Array.from({ length: layers }, () => randomBytes(8).toString('hex'));
      await scene.push(reference, seeds, layerBytes);
      wanted.delete(own);
      wanted.set(own, { image: reference, registry: 'plant', ...entry });
      stage.desireAll();
      return own;
    },
    async wantMany(count: number) {
      images += 1;
      await scene.push(`acme/many:${images}`, [`many-${images}`], 20_000);
      for (let index = 1; index <= count; index += 1) {
        const tag = `${images}-${index}`;
        await registry.tag('acme/many', String(images), tag);
        wanted.set(`many-${index}`, { image: `acme/many:${tag}`, registry: 'plant' });
      }
      stage.desireAll();
    },
    openRegistry: () => (open ??= scene.startOpenRegistry()),
    async wantSlowly(options: WantOptions = {}) {
      registry.faults.bytesPerSecond = SLOW_BYTES_PER_SECOND;
      const name = await stage.want({ layers: 4, layerBytes: 200_000, ...options });
      await edge.waitForReported(() => Number(scene.image(name)['downloadedBytes']) > 0, 30_000);
      return name;
    },
    async settle() {
      Object.assign(edge.faults, NO_FAULTS);
      Object.assign(registry.faults, NO_REGISTRY_FAULTS);
      wanted.clear();
      wanted.set('hello', hello);
      registries.clear();
      registries.set('plant', scene.plant);
      settings.clear();
      scene.setPasswords(scene.passwords.one, scene.passwords.two);
      stage.desireAll();
      if (scene.module === undefined || scene.module.ending !== undefined) scene.startModule();
      await scene.waitForReady(60_000);
    },
    process() {
      if (scene.module === undefined) throw new Error('no module was started');
      return scene.module;
    },
    restarts,
    async restart(signal: 'SIGTERM' | 'SIGKILL') {
      restarts.count += 1;
      const old = stage.process();
      if (signal === 'SIGKILL') await old.kill();
      else await old.stop();
      scene.startModule();
      return old.ending;
    },
    phase: (name: string) => toPhases(edge.reported())[name] ?? '',
    async waitForPhase(name: string, phase: string, deadlineMs = 30_000) {
      await edge.waitForReported(
        () => stage.phase(name) === phase || toObject(scene.image(name))['phase'] === phase,
        deadlineMs,
      );
    },
    async until(what: string, condition: () => boolean | Promise<boolean>, deadlineMs = 30_000) {
      const lateAtMs = performance.now() + deadlineMs;
      while (!(await condition())) {
        if (performance.now() > lateAtMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
        await sleep(50);
      }
    },
  });
  return stage;
}
