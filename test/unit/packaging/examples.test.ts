import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyPatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import { formatReference } from '#core/reference';
import type { DesiredContext } from '#contract/desired-registries';
import {
  applyLayer,
  expandTemplate,
  listModules,
  parseEnvFile,
  readCreateOptions,
  readDesired,
} from '#test/manifests/expand';
import type { Json } from '#test/manifests/expand';
import { listSchemaFaults } from '#test/manifests/schemas';
import packageJson from '../../../package.json' with { type: 'json' };
import { compileSchema, faultsOf, stateOf } from '../contract/documents.ts';

const readJson = (path: string) => JSON.parse(readFileSync(join('examples', path), 'utf8')) as Json;

const files = readdirSync('examples', { recursive: true, encoding: 'utf8' });
const jsonFiles = files.filter((name) => name.endsWith('.json'));
const readMes = files.filter((name) => name.endsWith('README.md'));
/** Layers that add a module, and the manifest that each is put on. */
const LAYERS = new Map([
  ['staging/switch.json', 'layered/base.json'],
  ['nested/camera.json', 'nested/child.json'],
]);
/** Each by its path; a layer as it comes to a device. */
const manifests = new Map<string, Json>(
  jsonFiles
    .filter((path) => '$edgeAgent' in ((readJson(path)['modulesContent'] ?? {}) as Json))
    .map((path) => [path, readManifest(path)]),
);

function readManifest(path: string): Json {
  const basePath = LAYERS.get(path);
  if (basePath === undefined) return readJson(path);
  const base = readJson(basePath);
  const $edgeAgent = { 'properties.desired': applyLayer(base, readJson(path), '$edgeAgent') };
  return { modulesContent: { ...(base['modulesContent'] as Json), $edgeAgent } };
}

/** What tools/registry-access.sh puts into a twin. */
const access = (address: string, username = 'edge-17'): JsonObject => ({
  registryCredentials: { plant: { address, username, password: 'from the pipe' } },
});

interface Example {
  readonly desired: object;
  /** Of the files that make up `desired`. */
  readonly files: readonly string[];
  readonly context?: DesiredContext;
  /** Each image as it is pulled, and the further names it gets. */
  readonly images: Record<string, readonly string[]>;
  /** The registries by address, and which passwords are tried at each. */
  readonly logins: Record<string, readonly string[]>;
}

const patched = (path: string, patch: JsonObject) => applyPatch(readJson(path) as JsonObject, patch);
const PLANT = '127.0.0.1:8000';
const CLOUD = 'contoso.azurecr.io';

const EXAMPLES: Record<string, Example> = {
  'one device': {
    files: ['one-device/twin.json'],
    desired: patched('one-device/twin.json', access(PLANT)),
    images: {
      camera: [`${PLANT}/acme/camera:1.4`, `${CLOUD}/acme/camera:1.4`],
      hello: [`${PLANT}/hello-world:latest`],
    },
    logins: { [PLANT]: ['password'] },
  },
  'a layered deployment, without a layer': {
    files: ['layered/base.json'],
    desired: readDesired(readJson('layered/base.json'), 'puller'),
    images: { hello: [`${PLANT}/hello-world:latest`] },
    logins: { [PLANT]: ['password', 'password2'] },
  },
  'a layered deployment, with the layer of a team': {
    files: ['layered/vision-team.json'],
    desired: applyLayer(readJson('layered/base.json'), readJson('layered/vision-team.json'), 'puller'),
    images: {
      hello: [`${PLANT}/hello-world:latest`],
      'vision-detector': [`${PLANT}/vision/detector:7.2`, `${CLOUD}/vision/detector:7.2`],
      'vision-model': [`${PLANT}/vision/model@sha256:${'5c1f'.repeat(16)}`],
    },
    logins: { [PLANT]: ['password', 'password2'] },
  },
  'staging before a switch, on a device of the first example': {
    files: ['staging/twin.json'],
    desired: applyPatch(
      patched('one-device/twin.json', access(PLANT)),
      readJson('staging/twin.json') as JsonObject,
    ),
    images: {
      camera: [`${PLANT}/acme/camera:1.5`, `${CLOUD}/acme/camera:1.5`],
      'camera-before': [`${PLANT}/acme/camera:1.4`, `${CLOUD}/acme/camera:1.4`],
      hello: [`${PLANT}/hello-world:latest`],
    },
    logins: { [PLANT]: ['password'] },
  },
  'nested edge': {
    files: ['nested/child-twin.json'],
    desired: patched('nested/child-twin.json', access('$upstream:8000')),
    context: { parentHostName: 'line-3.plant.example' },
    images: {
      camera: ['line-3.plant.example:8000/acme/camera:1.4'],
      hello: ['line-3.plant.example:8000/hello-world:latest'],
    },
    logins: { 'line-3.plant.example:8000': ['password'] },
  },
  'an insecure test registry': {
    files: ['insecure-registry/twin.json'],
    desired: readJson('insecure-registry/twin.json'),
    images: { camera: ['10.0.0.4:5000/acme/camera:dev'] },
    logins: { '10.0.0.4:5000': [] },
  },
  'a private CA': {
    files: ['private-ca/twin.json'],
    desired: patched('private-ca/twin.json', access('registry.plant.example:8000')),
    images: { camera: ['registry.plant.example:8000/acme/camera:1.4'] },
    logins: { 'registry.plant.example:8000': ['password'] },
  },
  'a rotation': {
    files: ['rotation/twin.json'],
    desired: readJson('rotation/twin.json'),
    images: { camera: [`${PLANT}/acme/camera:1.4`] },
    logins: { [PLANT]: ['password', 'password2'] },
  },
};

describe.each(Object.entries(EXAMPLES))('the twin of %s', (_, { desired, context = {}, images, logins }) => {
  test('keeps the published schema', () => {
    expect(compileSchema('desired.schema.json')(desired)).toEqual([]);
  });

  test('is read by the module without a fault, and asks for these images', () => {
    expect(faultsOf(desired, context)).toEqual([]);
    const state = stateOf(desired, context);
    expect(state.unknownProperties).toEqual([]);
    const references = [...state.images].map(([name, image]) => {
      if (image.kind === 'fault') throw new Error(`${name} is at fault`);
      return [name, [image.spec.reference, ...image.spec.tagAs].map(formatReference)];
    });
    expect(Object.fromEntries(references)).toEqual(images);
    const credentials = [...state.registries.values()].map((registry) => [
      registry.address,
      registry.credentials.map(({ name }) => name),
    ]);
    expect(Object.fromEntries(credentials)).toEqual(logins);
  });
});

test('every file of the examples is a manifest or belongs to a twin above', () => {
  const twins = Object.values(EXAMPLES).flatMap(({ files: parts }) => parts);
  expect([...new Set([...twins, ...manifests.keys()])].toSorted()).toEqual(jsonFiles.toSorted());
});

test('no file holds a secret: where one belongs stands what belongs there', () => {
  let places = 0;
  for (const path of jsonFiles) {
    JSON.parse(readFileSync(join('examples', path), 'utf8'), (key: string, value: unknown) => {
      if (!/^(password2?|ACR_REGISTRY_CONNECTION_STRING)$/.test(key)) return value;
      places += 1;
      const text = typeof value === 'string' ? value : (value as { value: unknown }).value;
      expect(`${path}: ${String(text)}`).toMatch(/: <[^>]+>$/);
      return value;
    });
  }
  expect(places).toBeGreaterThan(8);
});

describe.each([...manifests])('the manifest examples/%s', (_, manifest) => {
  test('fits the published schema of deployments 2.0', () => {
    expect(listSchemaFaults('azure-iot-edge-deployment-2.0', manifest)).toEqual([]);
  });

  test('has no createOptions that az would have to cut in pieces, which it does not', () => {
    for (const { settings } of Object.values(listModules(manifest))) {
      expect(String(settings['createOptions']).length).toBeLessThanOrEqual(512);
    }
  });
});

test.each([...manifests].filter(([, manifest]) => 'puller' in listModules(manifest)))(
  'examples/%s has the module as the deployment template has it',
  (_path, manifest) => {
    const puller = listModules(manifest)['puller'];
    const env = {
      ...parseEnvFile(readFileSync('.env.example', 'utf8')),
      // It is another one on each system; a number would be taken for right.
      DOCKER_GROUP_ID: '<group of docker.sock>',
    };
    const template = readFileSync('deployment.template.json', 'utf8');
    const moduleJson = readFileSync('module.json', 'utf8');
    const expanded = expandTemplate({ template, moduleJson, env, platform: 'amd64' });
    const { settings: _, ...expected } = listModules(expanded)['puller'] ?? { settings: {} };
    expect(puller).toMatchObject(expected);
    expect(readCreateOptions(manifest, 'puller')).toEqual(readCreateOptions(expanded, 'puller'));
    expect(puller?.settings['image']).toContain(`/connected-registry-puller:${packageJson.version}-amd64`);
    expect(readDesired(manifest, '$edgeHub')).toEqual(readDesired(expanded, '$edgeHub'));
  },
);

describe('a layer', () => {
  test.each<[string, string, string]>([
    ['layered/vision-team.json', 'puller', 'images'],
    ...Array.from(LAYERS.keys(), (path): [string, string, string] => [path, '$edgeAgent', 'modules']),
  ])('%s sets in %s its %s by path, and so leaves alone what others set', (path, name, map) => {
    const layer = readJson(path)['modulesContent'] as Record<string, Json>;
    expect(Object.keys(layer)).toEqual([name]);
    for (const key of Object.keys(layer[name] ?? {})) {
      expect(key).toMatch(new RegExp(`^properties\\.desired\\.${map}\\.[A-Za-z0-9_-]{1,64}$`));
    }
  });
});

test.each([
  ['staging/switch.json', 'staging before a switch, on a device of the first example', undefined],
  ['nested/camera.json', 'nested edge', 'line-3.plant.example'],
])('each module of %s that is never pulled is staged under its very name', (path, name, parent) => {
  const modules = Object.values(listModules(manifests.get(path) ?? {})).filter(
    (module) => module['imagePullPolicy'] === 'never',
  );
  const names = Object.values(EXAMPLES[name]?.images ?? {}).flat();
  expect(modules).toHaveLength(1);
  for (const { settings } of modules) {
    // As edgeAgent does; see NestedEdgeParentUrlParser.
    expect(names).toContain(String(settings['image']).replace('$upstream', parent ?? '$upstream'));
  }
});

describe('a README of the examples', () => {
  test('stands in every folder', () => {
    const folders = new Set(jsonFiles.map(dirname));
    expect(readMes.map(dirname).toSorted()).toEqual(['.', ...folders].toSorted());
  });

  test.each(readMes)('examples/%s names only files that are there, and every file beside it', (path) => {
    const text = readFileSync(join('examples', path), 'utf8');
    const folder = join('examples', dirname(path));
    for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      expect([link, existsSync(join(folder, link))]).toEqual([link, true]);
    }
    for (const [named] of text.matchAll(/\b(?:examples|tools|docs)\/[\w./-]+\.\w+/g)) {
      expect([named, existsSync(named)]).toEqual([named, true]);
    }
    for (const beside of jsonFiles.filter((file) => dirname(file) === dirname(path))) {
      expect(text).toContain(basename(beside));
    }
  });
});
