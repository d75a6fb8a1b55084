import { randomBytes } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import { helloWorld } from '#lab/images/hello-world';
import { syntheticImage } from '#lab/images/image';
import type { SyntheticImage } from '#lab/images/image';
import type { MethodOptions, MethodResult } from '#lab/edge';
import { startLab } from '#lab/lab';
import type { Lab, LabOptions } from '#lab/lab';

type Json = Record<string, unknown>;

/** A lab with a client token and nothing pulled, for one test. */
export interface Scene extends Lab {
  /** The client token's passwords, different in each scene, so that they can be searched for. */
  readonly passwords: { readonly one: string; readonly two: string };
  /** The entry for `registryCredentials` that is right. */
  readonly plant: { readonly address: string; readonly username: string; readonly password: string };
  /** Sets desired: the registry `plant`, the images by name, settings. */
  desire(images: Json, settings?: Json, registryCredentials?: Json): void;
  /** Calls a direct method and keeps the answer for the search for secrets. */
  call(name: string, payload?: unknown, options?: MethodOptions): Promise<MethodResult>;
  /** Waits until the reported images are as given: `Pulled`, `Failed NotFound`…, by name; all of them and no other. */
  waitForPhases(phases: Readonly<Record<string, string>>, deadlineMs?: number): Promise<Json>;
  /** Waits until `summary.ready` for the desired version that is in force now. */
  waitForReady(deadlineMs?: number): Promise<Json>;
  /** One entry of the reported images now. */
  image(name: string): Json;
  /** Pushes an image of random-looking layers, by seed; the same seed is the same layer. */
  push(name: string, seeds: readonly string[], layerBytes?: number): Promise<{ readonly digest: string }>;
  /** Requests for blobs at the registry, and the bytes they brought. */
  blobs(): { readonly count: number; readonly bytes: number };
  /** Where a password stands among all that the module wrote, reported, answered or sent; nowhere, if all is well. */
  findSecrets(): string[];
}

const USERNAME = 'device-token';

/**
 * Starts a lab for one test. When the test ends everything is stopped, and no password may stand anywhere that the
 * module wrote, reported, answered or sent.
 */
export async function startScene(options: LabOptions = {}): Promise<Scene> {
  const scene = await openScene(options);
  onTestFinished(async () => {
    try {
      await scene.module?.stop();
      expect(scene.findSecrets(), 'places where a password stands').toEqual([]);
    } finally {
      await scene.stop();
    }
  });
  return scene;
}

/** Starts a lab that whoever asked for it stops and searches. */
export async function openScene(options: LabOptions = {}): Promise<Scene> {
  const lab = await startLab(options);
  const passwords = {
    one: `one-${randomBytes(12).toString('hex')}`,
    two: `two-${randomBytes(12).toString('hex')}`,
  };
  const secrets = Object.values(passwords);
  const answers: MethodResult[] = [];

  const { registry, edge } = lab;
  registry.scopeMaps.set('readers', [
    'repositories/acme/*/content/read',
    'repositories/hello-world/content/read',
  ]);
  registry.tokens.set(USERNAME, {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: passwords.one }, password2: { value: passwords.two } },
  });
  await registry.push(await helloWorld('linux/amd64'), 'hello-world', 'latest');

  const plant = { address: registry.address, username: USERNAME, password: passwords.one };
  const images = (): Json => toObject(edge.reported()['images']);
  return Object.assign(lab, {
    passwords,
    plant,
    desire(wanted: Json, settings: Json = {}, registryCredentials: Json = { plant }) {
      edge.setDesired({ schemaVersion: '1.0', registryCredentials, images: wanted, settings } as never);
    },
    async call(name: string, payload?: unknown, methodOptions?: MethodOptions) {
      const answer = await edge.invokeMethod(name, payload, methodOptions);
      answers.push(answer);
      return answer;
    },
    waitForPhases: (phases: Readonly<Record<string, string>>, deadlineMs = 30_000) =>
      edge.waitForReported((reported) => isSame(toPhases(reported), phases), deadlineMs),
    waitForReady: (deadlineMs = 30_000) =>
      edge.waitForReported(
        ({ summary, lastDesiredVersion }) =>
          toObject(summary)['ready'] === true && lastDesiredVersion === edge.desired()['$version'],
        deadlineMs,
      ),
    image: (name: string) => toObject(images()[name]),
    async push(name: string, seeds: readonly string[], layerBytes = 200_000) {
      const [repository = name, tag = 'latest'] = name.split(':');
      const image: SyntheticImage = await syntheticImage({
        layers: seeds.map((seed) => ({ sizeBytes: layerBytes, seed })),
      });
      return registry.push(image, repository, tag);
    },
    blobs() {
      const requests = registry.requests.filter(
        ({ method, path }) => method === 'GET' && /\/blobs\//.test(path),
      );
      return { count: requests.length, bytes: registry.bytesServed(/\/blobs\//) };
    },
    findSecrets: () => findSecrets(lab, answers, secrets),
  });
}

/** `phase` or `phase reason` of each reported image. */
export function toPhases(reported: Json): Record<string, string> {
  const entries = Object.entries(toObject(reported['images'])).map(([name, image]) => {
    const { phase, reason } = toObject(image);
    return [name, [phase, reason].filter((part) => typeof part === 'string').join(' ')];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

/** An object, or an empty one for anything else. */
export function toObject(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function findSecrets(
  { edge, output }: Lab,
  answers: readonly MethodResult[],
  secrets: readonly string[],
): string[] {
  const places = {
    output,
    reported: JSON.stringify(edge.reported()),
    reports: JSON.stringify(edge.reports),
    telemetry: JSON.stringify(edge.telemetry),
    answers: JSON.stringify(answers),
  };
  const forms = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(`${USERNAME}:${secret}`).toString('base64'),
  ]);
  return Object.entries(places)
    .filter(([, text]) => forms.some((form) => text.includes(form)))
    .map(([place]) => place);
}

const isSame = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => b[key] === value);
