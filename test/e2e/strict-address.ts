import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);
const OWN = '10.99.86.1';

/**
 * An address of this machine for which the engine makes no exceptions: to loopback ones it speaks plain HTTP, and takes
 * any certificate. Where the machine has none, it gets one for the time of the test.
 */
export async function findStrictAddress(): Promise<string> {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found !== undefined) return found.address;
  await run('ip', ['address', 'add', `${OWN}/32`, 'dev', 'lo']);
  onTestFinished(async () => {
    await run('ip', ['address', 'del', `${OWN}/32`, 'dev', 'lo']);
  });
  return OWN;
}
