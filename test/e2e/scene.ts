import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { helloWorld } from '#lab/images/hello-world';
import { syntheticImage } from '#lab/images/image';
import type { PlatformImage } from '#lab/images/image';
import type { MethodOptions, MethodResult } from '#lab/edge';
import type { EngineClient } from '#lab/engine/engine-client';
import { startLab } from '#lab/lab';
import type { Lab, LabOptions } from '#lab/lab';
import { REGISTRY_HOST, startTestEngine } from '#test/engine-under-test';
import type { ModuleProcess } from '#lab/module';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import type { RegistryRequest } from '#lab/registry/request-log';
import { startDocumentedFilter } from './endpoints.ts';
import { findSecrets } from './secrets.ts';
import type { Places } from './secrets.ts';

export type Json = Record<string, unknown>;

/** A lab with a client token and nothing pulled, for one test. */
export interface Scene extends Lab {
  /** The client token's passwords, different in each scene, so that they can be searched for. */
  readonly passwords: { readonly one: string; readonly two: string };
  /** The entry for `registryCredentials` that is right. */
  readonly plant: { readonly address: string; readonly username: string; readonly password: string };
  /** Sets desired: images by name, settings laid over short delays, registries (default: `plant`). Its passwords are searched for too. */
  desire(images: Json, settings?: Json, registryCredentials?: Json): void;
  /** Calls a direct method and keeps the answer for the search for secrets. */
  call(name: string, payload?: unknown, options?: MethodOptions): Promise<MethodResult>;
  /** Waits until the reported images are as given: `Pulled`, `Failed NotFound`…, by name; all of them and no other. */
  waitForPhases(phases: Readonly<Record<string, string>>, deadlineMs?: number): Promise<Json>;
  /** Waits until `summary.ready` for the desired version that is in force now. */
  waitForReady(deadlineMs?: number): Promise<Json>;
  /** Waits until a task that `PullImages` began has ended. @returns the answer of `GetTaskStatus` */
  waitForTask(answer: MethodResult): Promise<Json>;
  /** One entry of the reported images now. */
  image(name: string): Json;
  /** What is reported of the registry `plant` now. */
  login(): Json;
  /** Pushes an image of random-looking layers, by seed; the same seed is the same layer. */
  push(name: string, seeds: readonly string[], layerBytes?: number): Promise<{ readonly digest: string }>;
  /**
   * Requests at the registry since the last `forgetRequests`, of one repository or all. A blob is a layer or a
   * configuration, which the engine reads to tell the platform whenever it is asked for a tag's digest.
   */
  requests(kind: 'manifests' | 'blobs' | 'layers', repository?: string): readonly RegistryRequest[];
  /** Requests for blobs at the registry, and the bytes they brought. */
  blobs(): { readonly count: number; readonly bytes: number };
  /** From now on `requests` begins anew. */
  forgetRequests(): void;
  /** Waits until the registry has sent at least so many bytes of a repository's blobs. */
  waitForBytes(repository: string, bytes: number): Promise<void>;
  /** Replaces the client token's passwords at the registry. */
  setPasswords(password1: string | undefined, password2?: string): void;
  /** Where a password stands among all that the module wrote, reported, answered, sent or keeps; nowhere, if all is well. */
  findSecrets(): string[];
  /** Starts one more registry, which asks for no password. */
  startOpenRegistry(): Promise<Registry>;
}

/** For `expect.poll`: everything that a test waits for comes within this time, on a busy machine too. */
export const WAIT = { timeout: 30_000, interval: 50 };

const USERNAME = 'device-token';

/** Short enough for tests, and each allowed in the field. */
const QUICK = { retryInitialSeconds: 1, retryMaxSeconds: 2, reportIntervalSeconds: 1 };

/**
 * Starts a lab for one test, with a filter before the engine that refuses what docs/security.md does not list. When the
 * test ends everything is stopped; the filter may have refused nothing, and no password may stand anywhere that the
 * module wrote, reported, answered, sent or kept.
 */
export async function startScene(options: LabOptions = {}): Promise<Scene> {
  const scene = await openScene({ startFilter: startDocumentedFilter, ...options });
  onTestFinished(() => endScene(scene));
  return scene;
}

/** Stops everything, and looks for what must not be: a password anywhere, a request that the filter refused. */
export async function endScene(scene: Scene): Promise<void> {
  try {
    const placesWhileItRan = scene.findSecrets();
    await scene.module?.stop();
    expect([...placesWhileItRan, ...scene.findSecrets()], 'places where a password stands').toEqual([]);
    const refused = scene.filter?.requests.filter(({ endpoint }) => endpoint === undefined) ?? [];
    expect(refused, 'requests that docs/security.md does not list').toEqual([]);
  } finally {
    await scene.stop();
  }
}

/** Starts a lab that whoever asked for it stops and searches; without a filter, unless one is asked for. */
export async function openScene(options: LabOptions = {}): Promise<Scene> {
  const lab = await startLab({ startEngine: startTestEngine, registryHost: REGISTRY_HOST, ...options });
  const passwords = {
    one: `one-${randomBytes(12).toString('hex')}`,
    two: `two-${randomBytes(12).toString('hex')}`,
  };
  const secrets = new Set(Object.values(passwords));
  const answers: MethodResult[] = [];
  const endings: (() => Promise<void>)[] = [];
  const stopLab = lab.stop;

  const { registry, edge } = lab;
  let forgotten = 0;
  registry.scopeMaps.set('readers', [
    'repositories/acme/*/content/read',
    'repositories/hello-world/content/read',
  ]);
  const setPasswords = (password1: string | undefined, password2?: string): void => {
    const both = {
      ...(password1 === undefined ? {} : { password1: { value: password1 } }),
      ...(password2 === undefined ? {} : { password2: { value: password2 } }),
    };
    registry.tokens.set(USERNAME, { status: 'enabled', scopeMap: 'readers', passwords: both });
  };
  setPasswords(passwords.one, passwords.two);
  await registry.push(await helloWorld('linux/amd64'), 'hello-world', 'latest');

  const plant = { address: registry.address, username: USERNAME, password: passwords.one };
  const layers = new Set<string>();
  const requests: Scene['requests'] = (kind, repository = '.+') => {
    const target = new RegExp(`^/v2/${repository}/${kind === 'manifests' ? 'manifests' : 'blobs'}/`);
    return registry.requests
      .slice(forgotten)
      .filter(({ path }) => kind !== 'layers' || layers.has(path.slice(path.lastIndexOf('/') + 1)))
      .filter(({ path }) => target.test(path));
  };
  const scene = Object.assign(lab, {
    passwords,
    plant,
    setPasswords,
    requests,
    desire(wanted: Json, settings: Json = {}, registryCredentials: Json = { plant }) {
      for (const secret of toPasswords(registryCredentials)) secrets.add(secret);
      edge.setDesired({
        schemaVersion: '1.0',
        registryCredentials,
        images: wanted,
        settings: { ...QUICK, ...settings },
      });
    },
    async call(name: string, payload?: unknown, methodOptions?: MethodOptions) {
      const answer = await edge.invokeMethod(name, payload, methodOptions);
      answers.push(answer);
      return answer;
    },
    async waitForTask({ payload }: MethodResult) {
      const { correlationId } = toObject(payload);
      let task: Json = {};
      const ask = async (): Promise<unknown> => {
        task = toObject((await scene.call('GetTaskStatus', { correlationId })).payload);
        return task['status'];
      };
      await expect.poll(ask, WAIT).toMatch(/^(Completed|Failed)$/);
      return task;
    },
    waitForPhases: (phases: Readonly<Record<string, string>>, deadlineMs = WAIT.timeout) =>
      edge.waitForReported((reported) => isSame(toPhases(reported), phases), deadlineMs),
    waitForReady: (deadlineMs = WAIT.timeout) =>
      edge.waitForReported(
        ({ summary, lastDesiredVersion }) =>
          toObject(summary)['ready'] === true && lastDesiredVersion === edge.desired()['$version'],
        deadlineMs,
      ),
    image: (name: string) => toObject(toObject(edge.reported()['images'])[name]),
    login: () => toObject(toObject(edge.reported()['registries'])['plant']),
    async push(name: string, seeds: readonly string[], layerBytes = 200_000) {
      const [repository = name, tag = 'latest'] = name.split(':');
      const pushed = await makeImage(seeds, layerBytes);
      for (const layer of pushed.layers) layers.add(layer.digest);
      return registry.push(pushed, repository, tag);
    },
    blobs() {
      const fetched = requests('blobs').filter(({ method }) => method === 'GET');
      return { count: fetched.length, bytes: fetched.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
    forgetRequests() {
      forgotten = registry.requests.length;
    },
    findSecrets: () => findSecrets(toPlaces(lab, answers), secrets),
    async startOpenRegistry() {
      const open = await startRegistry({
        dir: join(lab.dir, 'open-registry'),
        host: REGISTRY_HOST,
        auth: 'none',
      });
      endings.push(() => open.close());
      return open;
    },
    async stop() {
      for (const end of endings.splice(0)) await end();
      await stopLab();
    },
    async waitForBytes(repository: string, bytes: number) {
      const sent = (): number => registry.bytesServed(new RegExp(`^/v2/${repository}/blobs/`));
      await expect.poll(sent, WAIT).toBeGreaterThanOrEqual(bytes);
    },
  });
  return scene;
}

/** An image of random-looking layers, by seed; the same seed is the same layer. */
export function makeImage(
  seeds: readonly string[],
  layerBytes = 200_000,
  platform = 'linux/amd64',
): Promise<PlatformImage> {
  return syntheticImage({ layers: seeds.map((seed) => ({ sizeBytes: layerBytes, seed })), platform });
}

/** `phase` or `phase reason` of each reported image. */
export function toPhases(reported: Json): Record<string, string> {
  return Object.fromEntries(
    Object.entries(toObject(reported['images'])).map(([name, image]) => {
      const { phase, reason } = toObject(image);
      return [name, [phase, reason].filter((part) => typeof part === 'string').join(' ')];
    }),
  );
}

/** All names with a tag that an engine has, sorted. */
export async function listReferences(engine: EngineClient): Promise<string[]> {
  return (await engine.images()).flatMap(({ references }) => references).toSorted();
}

/** An object, or an empty one for anything else. */
export function toObject(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function toPasswords(registryCredentials: Json): string[] {
  return Object.values(registryCredentials).flatMap((entry) => {
    const { password, password2 } = toObject(entry);
    return [password, password2].filter((value) => typeof value === 'string' && value !== '') as string[];
  });
}

function toPlaces(lab: Lab, answers: readonly MethodResult[]): Places {
  const { edge, output, environment, module } = lab;
  return {
    output,
    reported: JSON.stringify(edge.reported()),
    reports: JSON.stringify(edge.reports),
    telemetry: JSON.stringify(edge.telemetry),
    answers: JSON.stringify(answers),
    ...readProcess(module),
    ...readFolder(environment['storageFolder']),
  };
}

/** What others see of a process: its arguments, and its environment, which support bundles hold. */
function readProcess(module: ModuleProcess | undefined): Places {
  if (module === undefined || module.ending !== undefined) return {};
  const files = ['cmdline', 'environ'].map((file) => [file, readFileSync(`/proc/${module.pid}/${file}`)]);
  return Object.fromEntries(files) as Places;
}

function readFolder(path: string | undefined): Places {
  if (path === undefined) return {};
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(files.flatMap((file) => readIfThere(file).map((content) => [file, content])));
}

/** Nothing where it went meanwhile, as kept bytes do. */
function readIfThere(file: string): Buffer[] {
  try {
    return [readFileSync(file)];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

const isSame = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => b[key] === value);
