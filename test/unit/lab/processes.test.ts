import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { LabProcess } from '#lab/processes';
import { startProcess } from '#lab/processes';
import { findProgram } from '#lab/programs';

let root = '';
let dir = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'processes-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  dir = await mkdtemp(join(root, 'test-'));
});

/** Runs a shell script, which is ready when it has made the file `ready` in its folder. */
async function startScript(script: string, readyTimeoutMs = 10_000): Promise<LabProcess> {
  const lab = await startProcess({
    command: '/bin/sh',
    args: ['-c', script],
    env: { DIR: dir },
    logPath: join(dir, 'log'),
    isReady: () => Promise.resolve(existsSync(join(dir, 'ready'))),
    readyTimeoutMs,
  });
  onTestFinished(() => lab.stop(0));
  return lab;
}

const isRunning = (pid: number) => existsSync(`/proc/${pid}`);

it('is the program itself, ready, with its output in the log', async () => {
  const lab = await startScript('echo hello; echo oops >&2; touch "$DIR/ready"; exec sleep 60');

  expect(isRunning(lab.pid)).toBe(true);
  expect(lab.ending).toBeUndefined();
  expect(await readFile(join(dir, 'log'), 'utf8')).toBe('hello\noops\n');
});

it('ends when told to, and says how', async () => {
  const lab = await startScript('touch "$DIR/ready"; exec sleep 60');

  await lab.stop();

  expect(lab.ending).toBe('SIGTERM');
  expect(isRunning(lab.pid)).toBe(false);
});

it('is killed when it does not end in the time it is given', async () => {
  const lab = await startScript('trap "" TERM; touch "$DIR/ready"; while :; do sleep 0.05; done');

  await lab.stop(100);

  expect(lab.ending).toBe('SIGKILL');
});

it('can be stopped while it is paused', async () => {
  const lab = await startScript('touch "$DIR/ready"; exec sleep 60');
  lab.signal('SIGSTOP');

  await lab.stop();

  expect(lab.ending).toBe('SIGTERM');
});

it('is reported with the end of its log when it ends before it is ready', async () => {
  await expect(startScript('echo the disk is on fire; exit 3')).rejects.toThrow(
    '/bin/sh: exit code 3\nthe disk is on fire',
  );
});

it('is ended when it is not ready in time', async () => {
  await expect(startScript('echo $$ > "$DIR/pid"; exec sleep 60', 200)).rejects.toThrow('not ready in time');

  const pid = Number(await readFile(join(dir, 'pid'), 'utf8'));
  expect(isRunning(pid)).toBe(false);
});

it('is reported when there is no such program', async () => {
  const attempt = startProcess({
    command: '/nowhere/nothing',
    args: [],
    logPath: join(dir, 'log'),
    isReady: () => Promise.resolve(false),
  });

  await expect(attempt).rejects.toThrow(/^\/nowhere\/nothing: /);
});

it('ends with the program that started it, even when that is killed', async () => {
  const parentPath = join(dir, 'parent.ts');
  await writeFile(
    parentPath,
    `import { startProcess } from ${JSON.stringify(join(process.cwd(), 'lab/processes.ts'))};
     const lab = await startProcess({
       command: '/bin/sleep',
       args: ['60'],
       logPath: ${JSON.stringify(join(dir, 'log'))},
       isReady: () => Promise.resolve(true),
     });
     console.log(lab.pid);`,
  );
  const parent = spawn(process.execPath, [parentPath], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  expect(isRunning(pid)).toBe(true);

  parent.kill('SIGKILL');

  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5000 });
});

it('finds a program by its name, and none where there is none', async () => {
  expect(await findProgram('sh')).toMatch(/\/sh$/);
  expect(await findProgram('no-such-program')).toBeUndefined();
});
