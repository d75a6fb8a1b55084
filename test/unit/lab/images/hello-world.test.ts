import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { helloWorldGreeting, helloWorldProgram } from '#lab/images/hello-world';

const run = promisify(execFile);
const programs = [
  { platform: 'linux/amd64', arch: 'x64', emulator: 'qemu-x86_64-static' },
  { platform: 'linux/arm64', arch: 'arm64', emulator: 'qemu-aarch64-static' },
] as const;

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hello-'));
});
afterAll(() => rm(dir, { recursive: true }));

for (const { platform, arch, emulator } of programs) {
  const isNative = process.platform === 'linux' && process.arch === arch;
  const isEmulated = spawnSync(emulator, ['--version']).status === 0;

  // Without the processor or its emulator there is nothing that could run it.
  it.skipIf(!isNative && !isEmulated)(`greets and ends with 0 on ${platform}`, async () => {
    const path = join(dir, arch);
    await writeFile(path, helloWorldProgram(platform));
    await chmod(path, 0o755);

    const { stdout } = isNative ? await run(path) : await run(emulator, [path]);

    expect(stdout).toBe(helloWorldGreeting(platform));
  });
}

it('says in its header which machine it is for, and that it is executable', () => {
  const machines = programs.map(({ platform }) => helloWorldProgram(platform).readUInt16LE(18));
  const types = programs.map(({ platform }) => helloWorldProgram(platform).readUInt16LE(16));

  expect(machines).toEqual([62, 183]);
  expect(types).toEqual([2, 2]);
});
