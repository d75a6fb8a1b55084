import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { createImageStore } from './image-store.ts';
import type { HeldImage, ImageStore } from './image-store.ts';
import { createPlaces } from './places.ts';
import { pullImage } from './pull.ts';
import { openSession, Refusal } from './registry-session.ts';
import type { Account, Descriptor } from './registry-session.ts';

/** As an engine's own: so many layers at once. */
const MAX_DOWNLOADS = 3;
const OWN_PLATFORM = { os: 'linux', architecture: 'amd64' };

/** What answers as a Docker engine does, fetches whatever a pull would, and keeps names alone. */
export interface StandInEngine {
  readonly dockerHost: string;
  stop(): Promise<void>;
}

interface State {
  readonly store: ImageStore;
  readonly layers: Map<string, Promise<void>>;
  readonly inPlace: ReturnType<typeof createPlaces>;
  readonly containers: Map<string, string>;
  readonly listeners: Set<ServerResponse>;
}

type Call = {
  readonly state: State;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What stands for a name in the path. */
  readonly name: string;
  readonly signal: AbortSignal;
};

/**
 * Serves the part of the Engine API that the module uses at a UNIX socket. Two hundred of them fit where one dockerd
 * would; the module cannot tell the difference, nor can the registry.
 */
export async function startStandInEngine(socketPath: string): Promise<StandInEngine> {
  const listeners = new Set<ServerResponse>();
  const tellAll = (): void => {
    for (const listener of listeners) listener.write(`${JSON.stringify({ Type: 'image', Action: 'tag' })}\n`);
  };
  const state: State = {
    store: createImageStore(tellAll),
    layers: new Map(),
    inPlace: createPlaces(MAX_DOWNLOADS),
    containers: new Map(),
    listeners,
  };
  const server = createServer((request, response) => {
    serve(state, request, response).catch((error: unknown) => {
      const refusal = error instanceof Refusal ? error : new Refusal(500, String(error));
      if (!response.headersSent)
        return answer(response, { message: refusal.message }, Math.max(refusal.status, 400));
      response.end(`${JSON.stringify({ error: refusal.message })}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    dockerHost: `unix://${socketPath}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const ROUTES: readonly (readonly [string, RegExp, (call: Call) => unknown])[] = [
  ['GET', /^\/version$/, () => ({ Version: '28.5.2', Os: 'linux', Arch: 'amd64' })],
  ['GET', /^\/info$/, () => ({ DockerRootDir: '/', DriverStatus: [], RegistryConfig: null })],
  ['GET', /^\/images\/json$/, ({ state }) => Array.from(state.store.list(), toListed)],
  ['GET', /^\/images\/(.+)\/json$/, inspect],
  ['POST', /^\/images\/create$/, pull],
  ['POST', /^\/images\/(.+)\/tag$/, tag],
  ['DELETE', /^\/images\/(.+)$/, remove],
  ['POST', /^\/auth$/, login],
  ['GET', /^\/distribution\/(.+)\/json$/, describe],
  ['GET', /^\/events$/, follow],
  [
    'GET',
    /^\/containers\/json$/,
    ({ state }) => [...state.containers.values()].map((ImageID) => ({ ImageID })),
  ],
  ['POST', /^\/containers\/create$/, create],
  ['DELETE', /^\/containers\/(.+)$/, ({ state, name }) => void state.containers.delete(name)],
];

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://engine');
  const path = decodeURIComponent(url.pathname);
  for (const [method, pattern, handle] of ROUTES) {
    const match = request.method === method ? pattern.exec(path) : null;
    if (match === null) continue;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const call = {
      state,
      request,
      response,
      query: url.searchParams,
      name: match[1] ?? '',
      signal: gone.signal,
    };
    const body = await handle(call);
    if (!response.headersSent) answer(response, body, method === 'POST' && body === undefined ? 201 : 200);
    return;
  }
  throw new Refusal(404, 'page not found');
}

function answer(response: ServerResponse, body: unknown, status: number): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

const toListed = ({ image, names }: { image: HeldImage; names: ReadonlySet<string> }): object => ({
  Id: image.id,
  Size: image.sizeBytes,
  RepoTags: [...names].filter((name) => !name.includes('@')),
  RepoDigests: [...names].filter((name) => name.includes('@')),
});

function require({ state, name }: Call): NonNullable<ReturnType<ImageStore['find']>> {
  const found = state.store.find(name);
  if (found === undefined) throw new Refusal(404, `No such image: ${name}`);
  return found;
}

function inspect(call: Call): object {
  const found = require(call);
  return { ...toListed(found), Os: found.image.os, Architecture: found.image.architecture };
}

function tag(call: Call): undefined {
  call.state.store.give(require(call).image, [
    `${call.query.get('repo')}:${call.query.get('tag') ?? 'latest'}`,
  ]);
}

function remove(call: Call): object {
  const { image, names } = require(call);
  const gone = call.state.store.goneWith(call.name);
  const isLast = gone.length === names.size;
  if (isLast && [...call.state.containers.values()].includes(image.id)) {
    throw new Refusal(
      409,
      `conflict: unable to remove repository reference "${call.name}": a container uses it`,
    );
  }
  call.state.store.take(gone, image.id);
  return gone.map((Untagged) => ({ Untagged }));
}

async function create({ state, request }: Call): Promise<object> {
  const { Image } = (await json(request)) as { readonly Image: string };
  const Id = randomBytes(8).toString('hex');
  state.containers.set(Id, state.store.find(Image)?.image.id ?? Image);
  return { Id };
}

async function login({ request, signal }: Call): Promise<object> {
  const asked = (await json(request)) as Account & { readonly serveraddress: string };
  await openSession(asked.serveraddress, toAccount(asked), { signal });
  return { Status: 'Login Succeeded' };
}

async function describe({ request, name, signal }: Call): Promise<object> {
  const { address, repository, tagOrDigest } = split(name);
  const session = await openSession(address, readAccount(request), { repository, signal });
  const descriptor = await session.resolve(tagOrDigest);
  const manifest = (await session.fetchJson('manifests', descriptor.digest)) as {
    readonly manifests?: readonly Descriptor[];
    readonly config?: Descriptor;
  };
  const Platforms =
    manifest.manifests === undefined
      ? [await session.fetchJson('blobs', manifest.config?.digest ?? '')]
      : manifest.manifests.flatMap(({ platform }) => platform ?? []);
  return { Descriptor: descriptor, Platforms };
}

async function pull({ state, request, response, query, signal }: Call): Promise<undefined> {
  const from = query.get('fromImage') ?? '';
  const given = query.get('tag');
  const name = given === null ? from : `${from}${given.startsWith('sha256:') ? '@' : ':'}${given}`;
  const { address, repository, tagOrDigest } = split(name);
  const session = await openSession(address, readAccount(request), { repository, signal });
  // As the engine: what is refused before anything begins has a status of its own.
  const { digest } = await session.resolve(tagOrDigest);
  response.writeHead(200, { 'content-type': 'application/json' });
  const [os, architecture] = query.get('platform')?.split('/') ?? [];
  const image = await pullImage({
    session,
    digest,
    platform: os === undefined || architecture === undefined ? OWN_PLATFORM : { os, architecture },
    layers: state.layers,
    inPlace: state.inPlace,
    tell: (line) => void response.write(`${JSON.stringify(line)}\n`),
  });
  const pinned = `${address}/${repository}@${digest}`;
  state.store.give(image, tagOrDigest.startsWith('sha256:') ? [pinned] : [name, pinned]);
  response.end(`${JSON.stringify({ status: `Status: Downloaded newer image for ${name}` })}\n`);
}

function follow({ state, response }: Call): undefined {
  state.listeners.add(response);
  response.once('close', () => state.listeners.delete(response));
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
}

/** `host:port/repository:tag` or `…@digest`. */
function split(name: string): { address: string; repository: string; tagOrDigest: string } {
  const [, address = '', repository = '', , tagOrDigest = 'latest'] =
    /^([^/]+)\/([^@]+?)((?::|@)([^/@]+))?$/.exec(name) ?? [];
  return { address, repository, tagOrDigest };
}

function readAccount({ headers }: IncomingMessage): Account {
  const header = headers['x-registry-auth'];
  if (typeof header !== 'string') return {};
  return toAccount(JSON.parse(Buffer.from(header, 'base64url').toString()) as Account);
}

/** The module sends an empty name where it has none. */
const toAccount = ({ username = '', password = '' }: Account): Account =>
  username === '' ? {} : { username, password };
