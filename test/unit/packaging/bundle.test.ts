import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);

const SOURCES = ['package.json', 'tsconfig.json', 'LICENSE', 'scripts', 'src'];

let dir: string;
/** What two builds of the same sources made, in folders that have neither name nor depth in common, by file name. */
let builds: readonly ReadonlyMap<string, Buffer>[];

beforeAll(async () => {
  await mkdir('.lab', { recursive: true });
  dir = await mkdtemp('.lab/builds-');
  builds = [await build(join(dir, 'one')), await build(join(dir, 'a/further/one'))];
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

async function build(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  await mkdir(folder, { recursive: true });
  for (const source of SOURCES) await cp(source, join(folder, source), { recursive: true });
  // As a copy and at no cost: to a link, paths would lead back here.
  await run('cp', ['--archive', '--link', 'node_modules', folder]);
  await run(process.execPath, ['scripts/build.ts'], { cwd: folder });
  const names = (await readdir(join(folder, 'dist'))).toSorted();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, 'dist', name))] as const)),
  );
}

const readBuilt = (name: string): string => builds[0]?.get(name)?.toString() ?? '';

test('the same sources make the same bytes, wherever they are built', () => {
  const [one, other] = builds;
  expect([...(one?.keys() ?? [])]).toEqual([
    'NOTICE',
    'cli.js',
    'healthcheck.js',
    'main.js',
    'package.json',
    'sbom.cdx.json',
  ]);
  const differing = [...(one ?? [])].filter(([name, bytes]) => other?.get(name)?.equals(bytes) !== true);
  expect(differing.map(([name]) => name)).toEqual([]);
});

test('nothing in them tells where they were built', () => {
  const traces = [process.cwd(), 'builds-', 'dist/draft'];
  for (const bytes of builds[0]?.values() ?? []) {
    expect(traces.filter((trace) => bytes.includes(trace))).toEqual([]);
  }
});

test('the bundle is one file of at most 1.2 MB', () => {
  expect(readBuilt('main.js').length).toBeLessThanOrEqual(1.2e6);
  const required = new Set(
    Array.from(readBuilt('main.js').matchAll(/\brequire\("([^"]+)"\)/g), ([, name = '']) => name),
  );
  // All else would have to be installed beside it.
  const foreign = [...required].filter((name) => !isBuiltin(name));
  expect(foreign).toEqual([]);
});

test('the SBOM fits the schema of CycloneDX and lists the very packages of the NOTICE', async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(readBuilt('sbom.cdx.json'))).toBeNull();
  const { components } = JSON.parse(readBuilt('sbom.cdx.json')) as {
    components: { group?: string; name: string; version: string; licenses: unknown[] }[];
  };
  const noticed = Array.from(
    readBuilt('NOTICE').matchAll(/^(\S+ \d+\.\d+\.\d+\S*)\nLicence: /gm),
    ([, line = '']) => line,
  );
  const listed = components.map(
    ({ group, name, version }) => `${group === undefined ? '' : `${group}/`}${name} ${version}`,
  );
  expect(noticed.length).toBeGreaterThan(20);
  expect(listed.toSorted()).toEqual(noticed.toSorted());
  expect(components.filter(({ licenses }) => licenses.length === 0)).toEqual([]);
});
