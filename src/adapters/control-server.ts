import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { Log, MethodAnswer, MethodHandlers } from '#agent/ports';

export interface ControlOptions {
  /** Made where it is missing; it must be nobody else's. */
  readonly folder: string;
  /** In the folder. */
  readonly socket: string;
  /** What can be called: the direct methods, by name. */
  readonly methods: MethodHandlers;
  readonly log: Log;
}

/** Nobody but the module's own command line calls. */
const MAX_CONNECTIONS = 8;
const MAX_PAYLOAD_BYTES = 100_000;

/**
 * Lets the command line in the container call the direct methods: `POST /<method>` with a JSON payload, over a socket that
 * only the module's own user can open. Where there is no place for it the module works without, and says so.
 *
 * @returns ends it
 */
export async function serveControl({
  folder,
  socket,
  methods,
  log,
}: ControlOptions): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    void answer(request, methods).then(({ status, payload }) => {
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(payload));
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  // What goes wrong with one connection is its own affair.
  server.on('clientError', (_error, connection) => connection.destroy());
  try {
    await makePrivate(folder);
    if (await isTaken(socket)) throw new Error('another module listens there');
    // One that was killed left its socket behind.
    await rm(socket, { force: true });
    await listen(server, socket);
    await chmod(socket, 0o600);
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error));
    log.warn(
      { socket, error: message },
      'no place for the command line’s socket; the module works without it',
    );
  }
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await lstat(folder);
  if (uid !== process.getuid?.() || (mode & 0o170077) !== 0o040000) {
    throw new Error(`${folder} is not a folder of this user's alone`);
  }
}

function isTaken(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const caller = connect(path, () => {
    caller.destroy();
    resolve(true);
  });
  caller.on('error', () => resolve(false));
  return promise;
}

function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Later ones, of a connection that could not be taken, are its own affair too.
  server.on('error', reject);
  server.listen(path, resolve);
  return promise;
}

async function answer(request: IncomingMessage, methods: MethodHandlers): Promise<MethodAnswer> {
  const name = request.url?.slice(1) ?? '';
  const handler = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (request.method !== 'POST' || handler === undefined) {
    return { status: 404, payload: { reason: 'NotFound', message: 'There is no such method.' } };
  }
  const toAnswer = (status: number, reason: string, error: unknown): MethodAnswer => ({
    status,
    payload: { reason, message: error instanceof Error ? error.message : String(error) },
  });
  let payload: unknown;
  try {
    payload = await readJson(request);
  } catch (error) {
    return toAnswer(400, 'BadRequest', error);
  }
  return handler(payload).catch((error: unknown) => toAnswer(500, 'Unknown', error));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_PAYLOAD_BYTES) throw new Error('the payload is too long');
  }
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error('the payload is not JSON');
  }
}
