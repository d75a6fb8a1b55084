/**
 * What `npm run bench:load` starts as a process of its own: brings images into an engine in one of several ways, with the
 * module's own parts and nothing around them, so that it is the ways that are compared. Told and answers by IPC.
 */
import { once } from 'node:events';
import { systemClock } from '#adapters/system-clock';
import type { Log } from '#agent/ports';
import type { ImageContent } from '#core/image-content';
import { formatReference } from '#core/reference';
import { Secret } from '#core/secret';
import { callEngineJson } from '#lab/engine/engine-api';
import { createEngineClient } from '#lab/engine/engine-client';
import { findFreePort } from '#lab/free-port';
import { createBlobs } from '#relay/blobs';
import { openKeptBytes } from '#relay/kept-bytes';
import { createRelay } from '#relay/relay';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import { createLoader } from './loader.ts';

/** How images come: the engine pulls, through the relay, or they are loaded with or without layers that are there. */
export const WAYS = ['the engine', 'the relay', 'load', 'load of what is missing'] as const;

export type Way = (typeof WAYS)[number];

/** What the process is told. */
export interface TurnOrder {
  readonly way: Way;
  readonly dockerHost: string;
  readonly access: { readonly address: string; readonly username: string; readonly password: string };
  /** `repository:tag` each. */
  readonly images: readonly string[];
  /** For the kept bytes. */
  readonly folder: string;
}

/** What it answers. */
export interface TurnAnswer {
  /** Until the engine had all images by their names, with the registry's digests. */
  readonly seconds: number;
  /** Of this process. */
  readonly cpuSeconds: number;
  /** Of layers that were loaded into the engine. */
  readonly loadedBytes: number;
  /** The registry's digests that the engine listed after the first load alone. */
  readonly digestsAfterLoad: readonly string[];
}

const WIDTH = 3;
const STALL_TIMEOUT_MS = 60_000;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();

if (process.send !== undefined) {
  process.send('ready');
  const [order] = (await once(process, 'message')) as [TurnOrder];
  process.send(await take(order));
  process.exit();
}

async function take({ way, dockerHost, access: login, images, folder }: TurnOrder): Promise<TurnAnswer> {
  const engine = createEngineClient(dockerHost);
  const { Os: os, Arch: architecture } = (await callEngineJson(dockerHost, { path: '/version' })) as {
    readonly Os: string;
    readonly Arch: string;
  };
  const { address, username } = login;
  const access = {
    address,
    credential: { name: 'password', username, password: new Secret(login.password) } as const,
  };
  const kept = await openKeptBytes({ folder, minFreeBytes: () => 0, clock: systemClock });
  const bucket = createTokenBucket(systemClock);
  const blobs = createBlobs({ bucket, kept, clock: systemClock, log: silent });
  const httpsAddresses = new Set<string>();
  const openUpstream = (): ReturnType<typeof createUpstream> =>
    createUpstream({ access, httpsAddresses, clock: systemClock });
  const port = await findFreePort();
  const relay = createRelay({
    port,
    openUpstream,
    blobs,
    isKeeping: true,
    bucket,
    clock: systemClock,
    log: silent,
  });
  void relay.run(signal);
  const loader = createLoader({
    dockerHost,
    upstream: openUpstream(),
    blobs,
    isThin: way === 'load of what is missing',
  });

  const pull = async (reference: string): Promise<void> => {
    const { error } = await engine.pull(reference, { credentials: login });
    if (error !== undefined) throw new Error(error);
  };
  const toReference = (image: string): { registry: string; repository: string; tag: string } => {
    const [repository = '', tag = ''] = image.split(':');
    return { registry: address, repository, tag };
  };

  async function pullThroughRelay(image: string, { digest }: ImageContent): Promise<void> {
    const reference = toReference(image);
    const offer = relay.offer({ reference, digest, access, stallTimeoutMs: STALL_TIMEOUT_MS });
    const offered = formatReference(offer.reference);
    await pull(offered);
    const real = `${address}/${reference.repository}@${digest}`;
    await pull(real);
    const query = `repo=${encodeURIComponent(`${address}/${reference.repository}`)}&tag=${reference.tag}`;
    await callEngineJson(dockerHost, { method: 'POST', path: `/images/${real}/tag?${query}` });
    offer.end();
    await engine.remove(offered);
  }

  async function load(image: string, content: ImageContent): Promise<void> {
    const reference = toReference(image);
    await loader.load(reference, content, signal);
    // Who loads gets no digest of the registry's in the classic store; this moves no layer.
    await pull(`${address}/${reference.repository}@${content.digest}`);
  }

  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const contents = new Map<string, ImageContent>();
  if (way !== 'the engine') {
    const fetch = async (image: string): Promise<void> => {
      const reference = toReference(image);
      const platform = { os, architecture };
      contents.set(
        image,
        await relay.fetchContent({ reference, access, platform, wanted: undefined, signal }),
      );
    };
    await Promise.all(images.map(fetch));
  }
  const bring = async (image: string): Promise<void> => {
    const content = contents.get(image);
    if (content === undefined) return pull(`${address}/${image}`);
    await (way === 'the relay' ? pullThroughRelay(image, content) : load(image, content));
    contents.delete(image);
    const needed = [...contents.values()].flatMap(({ layers }) => layers.map(({ digest }) => digest));
    await relay.keepOnly(new Set(needed));
  };
  const queue = [...images];
  const work = async (): Promise<void> => {
    for (let image = queue.shift(); image !== undefined; image = queue.shift()) await bring(image);
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    ...loader.totals,
  };
}
