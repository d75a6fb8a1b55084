import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import type { AuthenticateError, Client } from 'aedes';
import type { Certificate } from '../certificates.ts';
import { createGate } from './gate.ts';
import type { Valve } from './gate.ts';
import type { Login } from './identity.ts';

/** edgeHub's own limit; a bigger packet ends the connection. */
const MAX_PACKET_BYTES = 262_144;

/** edgeHub's MQTT face: TLS, sessions and who is connected; what the messages mean is another's business. */
export interface HubListener {
  /** On 127.0.0.1, the same for its whole life. */
  readonly port: number;
  /** TCP connections that came, whatever became of them. */
  readonly attempts: number;
  /** MQTT connections that were let in. */
  readonly connections: number;
  readonly isConnected: boolean;
  /** What the module's session is subscribed to, connected or not. */
  readonly subscriptions: ReadonlySet<string>;
  /** Whether the module is connected and its session has exactly this subscription. */
  readonly isSubscribed: (filter: string) => boolean;
  /** Sends at QoS 0, only to where a subscription matches, and queues nothing. */
  readonly publish: (topic: string, body: Buffer | string) => void;
  /** Closes the port and drops the connections; sessions stay. */
  readonly stop: () => Promise<void>;
  readonly start: (sessions: 'kept' | 'lost') => Promise<void>;
  /** Drops the connections. */
  readonly cut: () => void;
  /** Shows another certificate to connections from now on. */
  readonly setCertificate: (certificate: Certificate) => void;
  /** Ends everything for good. */
  readonly end: () => Promise<void>;
}

/** What {@link startHubListener} takes. */
export interface HubListenerOptions {
  readonly certificate: Certificate;
  readonly valve: Valve;
  /** The CONNACK return code, 0 to let the client in. */
  readonly judge: (login: Login) => number;
  readonly onPublish: (topic: string, body: Buffer) => void;
  readonly log: (line: string) => void;
}

/** Listens on a free port. */
export async function startHubListener(options: HubListenerOptions): Promise<HubListener> {
  const { certificate, valve, log } = options;
  let port = 0;
  let attempts = 0;
  let connections = 0;
  let current: Client | undefined;
  const sockets = new Set<Socket>();
  const subscriptions = new Set<string>();

  const tls = createTlsServer({ cert: certificate.certificatePem, key: certificate.keyPem }, (stream) => {
    broker.handle(stream);
  });
  tls.on('tlsClientError', (error) => log(`edgeHub: TLS failed: ${error.message}`));

  const tcp = createServer((socket) => {
    attempts += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    tls.emit('connection', createGate(socket, valve));
  });

  async function createBroker(): Promise<Aedes> {
    const created = await Aedes.createBroker({
      authenticate: (client, username = '', password = Buffer.alloc(0), done) => {
        const code = options.judge({ clientId: client.id, username, password: password.toString() });
        if (code === 0) done(null, true);
        else done(Object.assign(new Error('refused'), { returnCode: code }) as AuthenticateError, false);
      },
    });
    created.on('client', (client) => {
      if (client.clean) subscriptions.clear();
      connections += 1;
      current = client;
      log(`edgeHub: connection ${connections} of ${client.id}, ${subscriptions.size} subscriptions kept`);
    });
    created.on('clientDisconnect', (client) => {
      if (current === client) current = undefined;
      log(`edgeHub: ${client.id} is gone`);
    });
    created.on('subscribe', (added) => {
      for (const { topic } of added) subscriptions.add(topic);
    });
    created.on('unsubscribe', (removed) => {
      for (const topic of removed) subscriptions.delete(topic);
    });
    created.on('publish', ({ topic, payload }, client) => {
      if (client === null) return;
      if (payload.length > MAX_PACKET_BYTES) client.conn.destroy();
      else options.onPublish(topic, Buffer.from(payload));
    });
    return created;
  }

  const closeBroker = (): Promise<void> => new Promise((resolve) => broker.close(resolve));

  let broker = await createBroker();
  const hub: HubListener = {
    get port() {
      return port;
    },
    get attempts() {
      return attempts;
    },
    get connections() {
      return connections;
    },
    get isConnected() {
      return current !== undefined;
    },
    subscriptions,
    isSubscribed: (filter) => current !== undefined && subscriptions.has(filter),
    publish(topic, body) {
      broker.publish({ cmd: 'publish', topic, payload: body, qos: 0, dup: false, retain: false }, () => {});
    },
    async start(sessions) {
      if (tcp.listening) return;
      if (sessions === 'lost') {
        await closeBroker();
        broker = await createBroker();
        subscriptions.clear();
      }
      tcp.listen(port, '127.0.0.1');
      await once(tcp, 'listening');
      const address = tcp.address();
      if (typeof address === 'object' && address !== null) ({ port } = address);
      log(`edgeHub: listening on ${port}, sessions ${sessions}`);
    },
    async stop() {
      if (!tcp.listening) return;
      tcp.close();
      hub.cut();
      await once(tcp, 'close');
      log('edgeHub: stopped');
    },
    cut() {
      current = undefined;
      for (const socket of sockets) socket.destroy();
    },
    setCertificate({ certificatePem, keyPem }) {
      tls.setSecureContext({ cert: certificatePem, key: keyPem });
    },
    async end() {
      await hub.stop();
      await closeBroker();
    },
  };
  await hub.start('kept');
  return hub;
}
