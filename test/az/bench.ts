import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Account } from './account.ts';
import { startStandIn } from './stand-in.ts';
import type { Call } from './stand-in.ts';

export interface ToolRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The calls of az that it made, in order. */
  readonly calls: readonly Call[];
  /** What it left in the folder for temporary files. */
  readonly left: readonly string[];
}

/** An operator's machine: the tools, with a stand-in for az first on the path, and no need to sleep. */
export interface Bench {
  /** What Azure holds now. */
  readonly account: Account;
  /** Runs a tool of `tools/` by a shell, `sh` unless another is given. */
  run(tool: string, args: readonly string[], shell?: readonly string[]): Promise<ToolRun>;
}

/** Makes a machine that is gone when the test ends. */
export async function makeBench(account: Account): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'puller-tools-'));
  const [bin, temporary] = [join(folder, 'bin'), join(folder, 'tmp')];
  await mkdir(bin);
  await mkdir(temporary);
  await writeFile(join(bin, 'sleep'), '#!/bin/sh\n');
  await chmod(join(bin, 'sleep'), 0o755);
  const standIn = await startStandIn(bin, temporary, account);
  onTestFinished(async () => {
    standIn.close();
    await rm(folder, { recursive: true, force: true });
  });
  const env = { PATH: `${bin}:${process.env['PATH']}`, TMPDIR: temporary };
  return {
    account,
    async run(tool, args, [program = 'sh', ...options] = ['sh']) {
      const before = standIn.calls.length;
      const ended = await execute(program, [...options, `tools/${tool}`, ...args], env);
      return { ...ended, calls: standIn.calls.slice(before), left: await readdir(temporary) };
    },
  };
}

/** The calls of a run as lines, from the first argument on. */
export const toLines = ({ calls }: ToolRun): readonly string[] => calls.map(({ args }) => args.join(' '));

/** The calls of a run that changed something. */
export const toChanges = (run: ToolRun): readonly string[] =>
  toLines(run).filter((line) => !/^(iot hub query|[a-z -]+ show) /.test(line));

type Ended = Pick<ToolRun, 'code' | 'stdout' | 'stderr'>;

function execute(program: string, args: readonly string[], env: Record<string, string>): Promise<Ended> {
  return new Promise((done) => {
    execFile(program, args, { env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      done({ code, stdout, stderr });
    });
  });
}
