import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Faults } from './faults.ts';
import { sign } from './identity.ts';
import type { ModuleIdentity } from './identity.ts';
import { decrypt, encrypt } from './seal.ts';

const MAX_SOCKET_PATH_BYTES = 107;
const POST_ROUTE = /^POST \/modules\/([^/]+)\/genid\/([^/]+)\/(sign|encrypt|decrypt)$/;

/** The security daemon's workload API on a unix socket. */
export interface Workload {
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** What {@link startWorkload} takes. */
export interface WorkloadOptions {
  /** At most 107 bytes. */
  readonly socketPath: string;
  readonly identity: ModuleIdentity;
  readonly toTrustBundlePem: () => string;
  readonly faults: Readonly<Faults>;
  readonly log: (line: string) => void;
}

type Answer = { readonly status: number; readonly body: object } | 'silence';
const refuse = (status: number, message: string): Answer => ({ status, body: { message } });

/**
 * Serves the trust bundle, the list of modules, sign, encrypt and decrypt.
 * @throws when the path is too long for a socket.
 * @see https://github.com/Azure/iotedge/blob/94e4593a8e/edgelet/api/workloadVersion_2020_07_07.yaml
 */
export async function startWorkload(options: WorkloadOptions): Promise<Workload> {
  const { socketPath } = options;
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`too long for a socket: ${socketPath}`);
  }
  const server = createServer((request, response) => {
    serve(request, response, options).catch(() => response.destroy());
  });
  const workload: Workload = {
    async start() {
      if (server.listening) return;
      server.listen(socketPath);
      await once(server, 'listening');
      // As the daemon does, so that a module that is not root may use it.
      await chmod(socketPath, 0o666);
    },
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      await rm(socketPath, { force: true });
    },
  };
  await workload.start();
  return workload;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: WorkloadOptions,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://workload');
  const answer = url.searchParams.has('api-version')
    ? await answerRequest(request, url.pathname, options)
    : refuse(400, 'no api-version');
  options.log(
    `workload: ${request.method} ${url.pathname} → ${answer === 'silence' ? answer : answer.status}`,
  );
  if (answer === 'silence') return;
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer.body));
}

async function answerRequest(
  request: IncomingMessage,
  path: string,
  { identity, toTrustBundlePem, faults }: WorkloadOptions,
): Promise<Answer> {
  const route = `${request.method} ${path}`;
  if (route === 'GET /trust-bundle') {
    return faults.trustBundleHangs ? 'silence' : { status: 200, body: { certificate: toTrustBundlePem() } };
  }
  if (route === 'GET /modules') return { status: 200, body: listModules(identity) };
  const [, moduleId, generationId = '', operation] = POST_ROUTE.exec(route)?.map(decodeURIComponent) ?? [];
  const operate = OPERATIONS[operation ?? ''];
  if (operate === undefined) return refuse(404, 'not found');
  // The daemon goes by the caller's process, which amounts to this with one module.
  if (moduleId !== identity.moduleId) return refuse(403, 'forbidden');
  if (operation === 'sign') {
    if (faults.signHangs) return 'silence';
    if (faults.signStatus !== undefined) return refuse(faults.signStatus, 'failed to sign');
  }
  const fields = await readFields(request);
  if (fields === undefined) return refuse(415, 'not JSON');
  try {
    return { status: 200, body: operate(identity, generationId, fields) };
  } catch (error) {
    return error instanceof SyntaxError ? refuse(422, error.message) : refuse(500, 'decryption failed');
  }
}

type Fields = (name: string) => Buffer;

const OPERATIONS: Record<
  string,
  (identity: ModuleIdentity, generationId: string, fields: Fields) => Record<string, string>
> = {
  sign: (identity, _, fields) => ({ digest: sign(identity, fields('data')).toString('base64') }),
  encrypt: (identity, generationId, fields) => {
    const seal = { identity, generationId, initializationVector: fields('initializationVector') };
    return { ciphertext: encrypt(seal, fields('plaintext')).toString('base64') };
  },
  decrypt: (identity, generationId, fields) => {
    const seal = { identity, generationId, initializationVector: fields('initializationVector') };
    return { plaintext: decrypt(seal, fields('ciphertext')).toString('base64') };
  },
};

/** The body's base64 fields, undefined where it is not called JSON; reading one that is absent throws a SyntaxError. */
async function readFields(request: IncomingMessage): Promise<Fields | undefined> {
  if (!request.headers['content-type']?.startsWith('application/json')) return undefined;
  const body = await json(request).catch(() => undefined);
  return (name) => {
    const value: unknown = Object(body)[name];
    if (typeof value !== 'string') throw new SyntaxError(`missing field ${name}`);
    return Buffer.from(value, 'base64');
  };
}

function listModules({ moduleId }: ModuleIdentity): object {
  const modules = ['edgeAgent', 'edgeHub', moduleId].map((name) => ({
    id: name,
    name,
    type: 'docker',
    config: { settings: { image: `lab/${name.toLowerCase()}:1.0` }, env: [] },
    status: { runtimeStatus: { status: 'running' } },
  }));
  return { modules };
}
