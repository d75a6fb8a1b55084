import { spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Runtime } from '#lab/runtime';

/** A Node.js program that runs as in the image. */
export interface Running {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a program as the image would; what it writes is dropped. */
export function run(
  runtime: Runtime,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(process.execPath, [...runtime.flags, ...words], {
    stdio: 'ignore',
    env: { ...runtime.environment, ...environment },
  });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      process.off('exit', end);
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Of a file, as it is. */
export async function readSize(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** Of files, each compressed as in an image's layer. */
export async function readCompressedSize(paths: readonly string[]): Promise<number> {
  const compressed = await Promise.all(paths.map(async (path) => promisify(gzip)(await readFile(path))));
  return compressed.reduce((total, { length }) => total + length, 0);
}
