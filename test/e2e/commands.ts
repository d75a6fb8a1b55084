import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** How a command ended. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly output: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly output: string;
  readonly ended: Promise<CommandResult>;
  signal(name: NodeJS.Signals): void;
  /** Waits until the output holds a text. */
  waitFor(text: string, deadlineMs?: number): Promise<void>;
}

/** Commands that keep all their files in one folder, so that what they leave behind can be found. */
export interface CommandRoom {
  readonly dir: string;
  start(args: readonly string[]): RunningCommand;
  run(args: readonly string[], input?: string): Promise<CommandResult>;
  /** Files in the folder, and command lines of processes that know of it. */
  listLeftovers(): Promise<string[]>;
}

/** Makes a room for one test. What still runs when the test ends is killed. */
export async function openCommandRoom(): Promise<CommandRoom> {
  // A short path: sockets stand in it.
  const dir = await mkdtemp('/tmp/room-');
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: dir, XDG_RUNTIME_DIR: dir };
  const endings: (() => Promise<unknown>)[] = [];
  onTestFinished(async () => {
    await Promise.all(endings.map((end) => end()));
    await rm(dir, { recursive: true, force: true });
  });

  const start = (args: readonly string[], input?: string): RunningCommand => {
    const child = spawn(process.execPath, [...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    child.stdin.end(input);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    }
    const { promise: ended, resolve } = Promise.withResolvers<CommandResult>();
    child.once('close', (exitCode) => resolve({ exitCode, output }));
    endings.push(() => {
      // Its own end takes the lab's processes with it; a killed one would leave them.
      if (child.exitCode === null) child.kill('SIGTERM');
      return ended;
    });
    return {
      get output() {
        return output;
      },
      ended,
      signal: (name) => void child.kill(name),
      async waitFor(text, deadlineMs = 60_000) {
        const untilMs = Date.now() + deadlineMs;
        while (!output.includes(text)) {
          if (Date.now() > untilMs || child.exitCode !== null) throw new Error(`no “${text}” in:\n${output}`);
          await new Promise((wake) => setTimeout(wake, 50));
        }
      },
    };
  };
  return {
    dir,
    start,
    run: (args, input) => start(args, input).ended,
    listLeftovers: async () => [...(await readdir(dir)), ...(await listProcesses(dir))],
  };
}

/** Command lines of processes that have a text in their arguments or their environment. */
async function listProcesses(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (file: string) => readFile(join('/proc', pid, file), 'utf8').catch(() => '');
      const [words, environment] = await Promise.all([read('cmdline'), read('environ')]);
      return words.includes(text) || environment.includes(text) ? [words.replaceAll('\0', ' ')] : [];
    }),
  );
  return found.flat();
}
