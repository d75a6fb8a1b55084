import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createHttpStreams } from '#adapters/http-streams';
import { isOwnHost } from '#adapters/own-host';
import type { Clock, Log } from '#agent/ports';
import { toTextAnswer } from '#web/answer';
import type { WebAnswer, WebRoute } from '#web/answer';

export interface HttpServerOptions {
  /** 1…65535, on every address that the process's network has. */
  readonly port: number;
  /** By path. */
  readonly routes: ReadonlyMap<string, WebRoute>;
  /** Names with a dot that this device is known by; addresses and local names need none. */
  readonly hostNames: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface HttpServer {
  /** Serves until the signal aborts, and waits for a port that is taken; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** A port that is taken is tried again this often. */
const RETRY_MS = 10_000;
/** A collector and a few browsers need some ten. */
const MAX_CONNECTIONS = 48;
/** Beside them, for the container's own health check: whoever takes all others must not make the module look ill. */
const OWN_CONNECTIONS = 4;
/** Nobody who is served here sends more than one before the last is answered. */
const MAX_REQUESTS_AT_ONCE = 8;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 10_000,
};
/** Longer than the pause between two lines of a stream: only who does not read is cut off. */
const IDLE_TIMEOUT_MS = 60_000;

/** Nothing but this module's own files may be loaded by what it serves, and nobody may frame it. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/** A server that only tells: GET and HEAD of given paths, within limits that keep it small whoever calls. */
export function createHttpServer({ port, routes, hostNames, clock, log }: HttpServerOptions): HttpServer {
  const streams = createHttpStreams(clock, log);
  const names = hostNames.map((name) => name.toLowerCase());

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    if (!isOwnHost(headers.host, names)) return send(response, toTextAnswer(421, NOT_OWN));
    const [path = '', query = ''] = url.split('?', 2);
    const route = routes.get(path);
    if (route === undefined) return send(response, toTextAnswer(404, 'There is nothing here.'));
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return send(response, toTextAnswer(405, 'Only GET and HEAD.'));
    }
    try {
      const answered = route(new URLSearchParams(query));
      if ('status' in answered) return send(response, answered);
      if (streams.isFull) {
        response.setHeader('Retry-After', '30');
        return send(response, toTextAnswer(503, 'Too many are listening.'));
      }
      if (method === 'HEAD') return send(response, { status: 200, contentType: EVENT_STREAM, body: '' });
      return streams.add(response, answered);
    } catch (error) {
      log.error({ err: error, path }, 'a page could not be made');
      return send(response, toTextAnswer(500, 'The module failed to answer; its log has the cause.'));
    }
  }

  /** Serves until it is ended or fails. @returns why it could not go on */
  function serve(signal: AbortSignal, onListening: () => void): Promise<Error | undefined> {
    const waiting = new WeakMap<Socket, number>();
    const server: Server = createServer(LIMITS, (request, response) => {
      const { socket } = request;
      // Thousands fit into one packet, and each would have a page in memory.
      const count = (waiting.get(socket) ?? 0) + 1;
      waiting.set(socket, count);
      response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
      if (count > MAX_REQUESTS_AT_ONCE) return void socket.destroy();
      for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
      response.on('error', () => undefined);
      answer(request, response);
    });
    server.maxConnections = MAX_CONNECTIONS + OWN_CONNECTIONS;
    let others = 0;
    server.on('connection', (socket: Socket) => {
      if (OWN_ADDRESSES.has(socket.remoteAddress ?? '')) return;
      others += 1;
      socket.once('close', () => (others -= 1));
      if (others > MAX_CONNECTIONS) socket.destroy();
    });
    server.timeout = IDLE_TIMEOUT_MS;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    const end = (): void => {
      server.close(() => resolve(undefined));
      server.closeAllConnections();
    };
    server.once('listening', onListening);
    server.on('error', resolve);
    signal.addEventListener('abort', end, { once: true });
    server.listen(port);
    return promise.finally(() => {
      signal.removeEventListener('abort', end);
      server.close();
    });
  }

  return {
    async run(signal) {
      let told: string | undefined;
      while (!signal.aborted) {
        const error = await serve(signal, () =>
          log.info({ port }, 'status page, metrics and health are served'),
        );
        if (signal.aborted) return;
        if (error !== undefined && error.message !== told) {
          told = error.message;
          log.warn(
            { port, error: told },
            'HTTP_PORT cannot be listened on; the module works without, and tries again',
          );
        }
        await clock.sleep(RETRY_MS, signal);
      }
    },
  };
}

/** Of whoever speaks from within the same network. */
const OWN_ADDRESSES = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

const NOT_OWN =
  'Not by this name: ask for the device by its IP address, or by its name in the local network.';

const EVENT_STREAM = 'text/event-stream';

function send(response: ServerResponse, { status, contentType, body }: WebAnswer): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) });
  // Node sends no body to a HEAD.
  response.end(body);
}
