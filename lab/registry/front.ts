import { readFile } from 'node:fs/promises';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The registry's public side: one address that can go away and come back. */
export interface Front {
  /** Stays the same for life. */
  readonly port: number;
  /** Accepts connections again at the same port. */
  start(): Promise<void>;
  /** Breaks all connections and refuses new ones. */
  stop(): Promise<void>;
  /** Takes another certificate, for connections to come. @throws where it speaks plain HTTP */
  renew(tls: TlsFiles): Promise<void>;
}

/** PEM files. */
export interface TlsFiles {
  readonly certificatePath: string;
  readonly keyPath: string;
}

/** What {@link startFront} takes. */
export interface FrontOptions {
  /** An address of this machine. */
  readonly host: string;
  /** Plain HTTP without it. */
  readonly tls?: TlsFiles;
  readonly onRequest: RequestListener;
}

/** Starts listening at a free port. */
export async function startFront(options: FrontOptions): Promise<Front> {
  const { host, tls, onRequest } = options;
  let credentials = tls === undefined ? undefined : await readCredentials(tls);
  const listen = async (port: number) => {
    const server =
      credentials === undefined ? createServer(onRequest) : createTlsServer(credentials, onRequest);
    // A throttled upload or download may take as long as it likes.
    server.requestTimeout = 0;
    await listenAt(server, host, port);
    return server;
  };

  let server: Server | undefined = await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async start() {
      server ??= await listen(port);
    },
    async stop() {
      const stopping = server;
      server = undefined;
      if (stopping === undefined) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      stopping.close(() => resolve());
      stopping.closeAllConnections();
      await promise;
    },
    async renew(files) {
      if (credentials === undefined) throw new Error('a registry without TLS has no certificate to renew');
      credentials = await readCredentials(files);
      if (server instanceof TlsServer) server.setSecureContext(credentials);
      server?.closeAllConnections();
    },
  };
}

async function readCredentials({
  certificatePath,
  keyPath,
}: TlsFiles): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readFile(certificatePath), readFile(keyPath)]);
  return { cert, key };
}

/** Another program may hold the port for a moment, for a connection of its own. */
async function listenAt(server: Server, host: string, port: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(port, host, resolve);
    try {
      await promise;
      server.off('error', reject);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 50) throw error;
      await delay(100);
    }
  }
}
