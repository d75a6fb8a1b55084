import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';

/** A port in another network, behind which stands the same port of this network's `127.0.0.1`. */
export interface Door {
  /** Bytes that were handed out, by the address that asked. */
  readonly bytesTo: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** What {@link openDoor} takes. */
export interface DoorOptions {
  /** Of a process in that network. */
  readonly pid: number;
  /** An address there; `0.0.0.0`: all of them. */
  readonly host: string;
  readonly port: number;
}

/** Listens, and hands the socket over: it stays in the network that it was made in. */
const LISTEN = `
const [host, port] = process.argv.slice(1);
const server = require('node:net').createServer();
server.listen(Number(port), host, () => process.send('open', server));
process.once('disconnect', () => process.exit());`;

/** Opens a port in another network. Needs root and `nsenter`. */
export async function openDoor({ pid, host, port }: DoorOptions): Promise<Door> {
  const [command = '', ...words] = enterNetwork(pid);
  const args = [...words, process.execPath, '-e', LISTEN, host, String(port)];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  const { promise: opened, resolve, reject } = Promise.withResolvers<Server>();
  child.once('message', (_message, handle) => resolve(handle as Server));
  void ended.then(([status]) => reject(new Error(`no door at ${host}:${port}: exit code ${status}`)));
  const server = await opened;
  child.disconnect();
  await ended;

  const bytesTo = new Map<string, number>();
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    const { remoteAddress = '' } = socket;
    bytesTo.set(remoteAddress, bytesTo.get(remoteAddress) ?? 0);
    sockets.add(socket);
    const inner = connect(port, '127.0.0.1');
    inner.on('data', (chunk) => bytesTo.set(remoteAddress, (bytesTo.get(remoteAddress) ?? 0) + chunk.length));
    const close = (): void => {
      sockets.delete(socket);
      socket.destroy();
      inner.destroy();
    };
    // Whichever side breaks, the other learns it.
    void pipeline(socket, inner).catch(close);
    void pipeline(inner, socket).then(close, close);
  });
  return {
    bytesTo,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Says `connected`, and then whatever comes. */
const ASK = `
const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect(Number(port), host, () => {
  process.stdout.write('connected\\n');
  socket.write('GET /v2/ HTTP/1.1\\r\\nHost: relay\\r\\nConnection: close\\r\\n\\r\\n');
});
socket.on('error', ({ code }) => process.stdout.write(code + '\\n'));
socket.pipe(process.stdout, { end: false });`;

/**
 * Asks for `/v2/` from where a process is.
 * @returns `connected` and what was answered, or the system's code, each on a line
 */
export async function askFrom(pid: number, host: string, port: number): Promise<string> {
  const [command = '', ...words] = enterNetwork(pid);
  const args = [...words, process.execPath, '-e', ASK, host, String(port)];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return (await buffer(child.stdout)).toString('utf8');
}

const enterNetwork = (pid: number): string[] => ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
