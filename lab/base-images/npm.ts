import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withTempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** Unpacks a package, without those that it needs, into `toDir`, from the registry that npm is set up for. */
export async function unpackNpmPackage(spec: string, toDir: string): Promise<void> {
  await withTempDir(async (dir) => {
    const { stdout } = await run('npm', ['pack', spec, '--silent', '--pack-destination', dir], { cwd: dir });
    await mkdir(toDir, { recursive: true });
    await run('tar', [
      '--extract',
      '--strip-components=1',
      '--no-same-owner',
      '--directory',
      toDir,
      '--file',
      join(dir, stdout.trim()),
    ]);
  });
}

/** Fills an npm cache with all that `npm ci` needs for the project in `projectDir`, so that it can do without a network. */
export async function fillNpmCache(projectDir: string, cacheDir: string): Promise<void> {
  await withTempDir(async (dir) => {
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(join(projectDir, file), join(dir, file));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cacheDir], {
      cwd: dir,
      maxBuffer: 64 * 1024 ** 2,
    });
  });
  // Logs of this machine's npm.
  await rm(join(cacheDir, '_logs'), { recursive: true, force: true });
}

/** The registry that npm is set up for. */
export async function readNpmRegistry(): Promise<string> {
  const { stdout } = await run('npm', ['config', 'get', 'registry'], { cwd: tmpdir() });
  return stdout.trim();
}
