import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Log } from '#agent/ports';
import type { RelayStanding } from '#agent/relay-port';
import type { Place } from '#relay/addresses';

/** What {@link createRelayServer} takes. */
export interface RelayServerOptions {
  /** 1…65535; undefined: it is off. */
  readonly port: number | undefined;
  /** Asked each time before it listens. */
  readonly listPlaces: () => Promise<readonly Place[]>;
  readonly face: RequestListener;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
}

export interface RelayServer {
  readonly standing: RelayStanding;
  /** Serves until the signal aborts, and waits for a port that is taken; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const RETRY_MS = 30_000;
/** Of all places together: an engine needs some three for each pull. */
const MAX_CONNECTIONS = 64;
/** Nobody sends more than one before the last is answered; browsers do not come here. */
const MAX_REQUESTS_AT_ONCE = 8;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 2000,
};

/** Listens where engines on this device come from, within limits that keep it small whoever calls. */
export function createRelayServer({ port, listPlaces, face, clock, log }: RelayServerOptions): RelayServer {
  let standing: RelayStanding = {
    kind: 'off',
    why: port === undefined ? 'RELAY_PORT is 0' : 'it does not listen yet',
  };
  const connections = new Set<Socket>();

  function admit(socket: Socket, { onlyFrom }: Place): void {
    const isTooMany = connections.size >= MAX_CONNECTIONS;
    if (isTooMany || (onlyFrom !== undefined && socket.remoteAddress !== onlyFrom)) {
      socket.destroy();
      return;
    }
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  }

  /** Opens one place. @returns its server, once it listens; `onEnd` is told why it does not go on */
  function listen(place: Place, onEnd: (error: Error) => void): Promise<Server> {
    const waiting = new WeakMap<Socket, number>();
    const server = createServer(LIMITS, (request, response) => {
      const { socket } = request;
      const count = (waiting.get(socket) ?? 0) + 1;
      waiting.set(socket, count);
      response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
      // Whoever was turned away may have sent a request with his first packet.
      if (count > MAX_REQUESTS_AT_ONCE || !connections.has(socket)) socket.destroy();
      else face(request, response);
    });
    server.on('connection', (socket: Socket) => admit(socket, place));
    const { promise, resolve, reject } = Promise.withResolvers<Server>();
    server.on('error', (error) => {
      reject(error);
      onEnd(error);
    });
    server.listen(port, place.address, () => resolve(server));
    return promise;
  }

  /** Serves at all places until it is ended or one fails. @returns why it could not go on */
  async function serve(
    signal: AbortSignal,
    onListening: (places: readonly Place[]) => void,
  ): Promise<Error | undefined> {
    const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
    const abort = (): void => end(undefined);
    signal.addEventListener('abort', abort, { once: true });
    const places = await listPlaces();
    const opened = await Promise.allSettled(places.map((place) => listen(place, end)));
    if (signal.aborted) abort();
    else if (opened.every(({ status }) => status === 'fulfilled')) onListening(places);
    const error = await ended;
    signal.removeEventListener('abort', abort);
    for (const outcome of opened) {
      if (outcome.status === 'rejected') continue;
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      outcome.value.close(() => resolve());
      outcome.value.closeAllConnections();
      await closed;
    }
    return error;
  }

  return {
    get standing() {
      return standing;
    },

    async run(signal) {
      if (port === undefined) return;
      let told: string | undefined;
      while (!signal.aborted) {
        const error = await serve(signal, (places) => {
          const address = `127.0.0.1:${port}`;
          standing = { kind: 'serving', address };
          told = undefined;
          log.info(
            { address, from: places.flatMap(({ onlyFrom }) => onlyFrom ?? []) },
            'the relay listens for the engine',
          );
        });
        const why = error?.message ?? 'it has ended';
        standing = { kind: 'off', why };
        if (signal.aborted) return;
        if (why !== told) {
          told = why;
          log.warn(
            { port, error: why },
            'RELAY_PORT cannot be listened on; images are pulled without the relay, and it is tried again',
          );
        }
        await clock.sleep(RETRY_MS, signal);
      }
    },
  };
}
