import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };

const run = promisify(execFile);

const EXAMPLES = globSync('examples/**/*.json').filter((path) =>
  readFileSync(path, 'utf8').includes('/connected-registry-puller:'),
);

/** Where the version stands, but for package.json and its lock, which npm itself sets. */
const FILES = [
  'module.json',
  'deployment.template.json',
  'Dockerfile.amd64',
  'Dockerfile.arm64v8',
  'README.md',
  ...EXAMPLES,
];

/** A copy of everything that has to do with the version, in which package.json has another one already. */
async function makeCopy(version: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'version-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const path of [...FILES, 'CHANGELOG.md', 'scripts/set-version.ts']) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await cp(path, join(dir, path));
  }
  await writeFile(join(dir, 'package.json'), JSON.stringify({ ...packageJson, version }));
  return dir;
}

test('npm version sets the version wherever it stands, and in the changelog', async () => {
  const dir = await makeCopy('12.34.56');
  await run(process.execPath, ['scripts/set-version.ts'], { cwd: dir });
  for (const path of FILES) {
    const [before, after] = await Promise.all([readFile(path, 'utf8'), readFile(join(dir, path), 'utf8')]);
    expect(after).toBe(before.replaceAll(packageJson.version, '12.34.56'));
    expect(after).toContain('12.34.56');
  }
  expect(await readFile(join(dir, 'CHANGELOG.md'), 'utf8')).toContain('## Unreleased\n\n## 12.34.56\n\n');
});

test('every example deploys the module of this version', async () => {
  expect(EXAMPLES.length).toBeGreaterThan(2);
  for (const path of EXAMPLES) {
    const tags = Array.from((await readFile(path, 'utf8')).matchAll(/\/connected-registry-puller:([^-"]+)/g));
    expect(tags.map(([, version]) => version)).toEqual(tags.map(() => packageJson.version));
  }
});

test('npm version fails where a file has not the version that it should have', async () => {
  const dir = await makeCopy('12.34.56');
  const path = join(dir, 'Dockerfile.amd64');
  await writeFile(path, (await readFile(path, 'utf8')).replace(packageJson.version, '0.0.0'));
  await expect(run(process.execPath, ['scripts/set-version.ts'], { cwd: dir })).rejects.toThrow(
    /Dockerfile\.amd64 has no/,
  );
});
