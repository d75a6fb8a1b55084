import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** Runs actions in order, and holds them back while it is shut. */
export interface Valve {
  readonly run: (action: () => void) => void;
  readonly setShut: (isShut: boolean) => void;
}

/** An open valve. */
export function createValve(): Valve {
  let isShut = false;
  const held: (() => void)[] = [];
  return {
    run(action) {
      if (isShut) held.push(action);
      else action();
    },
    setShut(next) {
      isShut = next;
      while (!isShut && held.length > 0) held.shift()?.();
    },
  };
}

/**
 * The socket's bytes through a valve: shut, it looks from both sides like a network that swallows packets. Destroying
 * either one destroys the other.
 */
export function createGate(socket: Socket, valve: Valve): Duplex {
  const gate = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => valve.run(() => socket.write(chunk, done)),
    final: (done) => valve.run(() => socket.end(done)),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => {
    valve.run(() => {
      if (!gate.push(chunk)) socket.pause();
    });
  });
  socket.on('end', () => valve.run(() => gate.push(null)));
  socket.on('error', (error) => gate.destroy(error));
  socket.on('close', () => gate.destroy());
  return gate;
}
