import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram } from './programs.ts';

/** A child process that ends with the program that started it. */
export interface LabProcess {
  readonly pid: number;
  /** How it ended (`exit code 1`, `SIGKILL`), `undefined` while it runs. */
  readonly ending: string | undefined;
  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs` (default 15 000). Resolves when the process has ended. */
  stop(graceMs?: number): Promise<void>;
}

/** What {@link startProcess} takes. */
export interface ProcessOptions {
  readonly command: string;
  /** Other users can read them: no secret belongs here. */
  readonly args: readonly string[];
  /** Gets both output streams, appended. */
  readonly logPath: string;
  /** Added to this program's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Asked every 20 ms until it says yes: the process is then of use. */
  readonly isReady: () => Promise<boolean>;
  /** Default 30 000. */
  readonly readyTimeoutMs?: number;
}

/**
 * Starts a program and waits until it is ready.
 * @throws when it ends or stays unready; the message carries the last lines of its log.
 */
export async function startProcess(options: ProcessOptions): Promise<LabProcess> {
  const log = await open(options.logPath, 'a');
  // A test run that is killed leaves no daemon behind: the kernel tells it of its parent's death.
  const setpriv = await findProgram('setpriv');
  const words = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'TERM', '--'];
  const [command = options.command, ...args] = [...words, options.command, ...options.args];
  const child = spawn(command, args, {
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ...options.env },
  });

  let ending: string | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const onEnd = (text: string) => {
    ending ??= text;
    resolve();
  };
  child.once('error', (error) => onEnd(error.message));
  child.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
  await log.close();

  const lab: LabProcess = {
    pid: child.pid ?? 0,
    get ending() {
      return ending;
    },
    signal: (signal) => {
      if (ending === undefined) child.kill(signal);
    },
    async stop(graceMs = 15_000) {
      lab.signal('SIGTERM');
      // A stopped process only hears SIGTERM once it goes on.
      lab.signal('SIGCONT');
      const timer = setTimeout(() => lab.signal('SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
  await waitUntilReady(lab, options);
  return lab;
}

async function waitUntilReady(lab: LabProcess, options: ProcessOptions): Promise<void> {
  const deadlineMs = Date.now() + (options.readyTimeoutMs ?? 30_000);
  while (!(await options.isReady())) {
    if (lab.ending === undefined && Date.now() < deadlineMs) {
      await delay(20);
      continue;
    }
    const what = lab.ending ?? 'not ready in time';
    await lab.stop(1_000);
    const lines = (await readFile(options.logPath, 'utf8')).trimEnd().split('\n').slice(-8);
    throw new Error(`${options.command}: ${what}\n${lines.join('\n')}`);
  }
}
