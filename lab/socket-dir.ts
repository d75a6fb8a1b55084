import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The kernel's limit for a UNIX socket's path. */
const SOCKET_PATH_MAX_BYTES = 107;

/**
 * A folder for sockets: `dir` itself, or a new one in the system's temporary folder when the path of `deepest`, the
 * lowest socket in it, would be too long for the kernel.
 */
export function makeSocketDir(dir: string, deepest: string): Promise<string> {
  const isShort = Buffer.byteLength(join(dir, deepest)) <= SOCKET_PATH_MAX_BYTES;
  return isShort ? Promise.resolve(dir) : mkdtemp(join(tmpdir(), 'lab-'));
}
