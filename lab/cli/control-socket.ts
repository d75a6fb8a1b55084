import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, rm, rmdir } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** Whose orders a socket takes: the whole lab's, or those of a part that was started alone. */
export type SocketName = 'lab' | 'edge' | 'registry' | 'engine';

/** All of them, the whole lab first. */
export const SOCKET_NAMES: readonly SocketName[] = ['lab', 'edge', 'registry', 'engine'];

/** Where the user's lab takes orders: below `XDG_RUNTIME_DIR`, or in the system's temporary folder. */
export function toSocketPath(name: SocketName): string {
  const runtimeDir = process.env['XDG_RUNTIME_DIR'] ?? '';
  const dir = existsSync(runtimeDir)
    ? join(runtimeDir, 'puller-lab')
    : join(tmpdir(), `puller-lab-${process.getuid?.() ?? 'user'}`);
  return join(dir, `${name}.sock`);
}

/** Sends one line and reads what comes back; `undefined` when nobody listens. */
export async function callSocket(path: string, line: string): Promise<string | undefined> {
  const socket = connect(path);
  try {
    socket.end(`${line}\n`);
    return await text(socket);
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED'].includes(toCode(error))) return undefined;
    throw error;
  }
}

/**
 * Listens for lines, each on a connection of its own, for this user alone. `answer` never rejects.
 * @returns what ends the listening
 * @throws when somebody listens there already, or when the folder is not this user's own
 */
export async function listenAt(
  path: string,
  answer: (line: string) => Promise<string>,
): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const dir = await lstat(dirname(path));
  if (!dir.isDirectory() || dir.uid !== process.getuid?.())
    throw new Error(`${dirname(path)} is somebody else's`);
  await removeDeadSocket(path);

  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    createInterface(socket).once(
      'line',
      (line) => void answer(line).then((reply) => socket.end(`${reply}\n`)),
    );
  });
  await startListening(server, path);
  await chmod(path, 0o600);
  return async () => {
    for (const socket of sockets) socket.destroySoon();
    await new Promise((resolve) => server.close(resolve));
    // Another part may still listen there.
    await rmdir(dirname(path)).catch(() => undefined);
  };
}

/** @throws when a lab takes orders there */
export async function removeDeadSocket(path: string): Promise<void> {
  const reply = await callSocket(path, '{"kind":"ping"}');
  if (reply !== undefined) throw new Error('it is up already: npm run lab -- stop');
  await rm(path, { force: true });
}

function startListening(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(path, resolve);
  return promise;
}

function toCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
