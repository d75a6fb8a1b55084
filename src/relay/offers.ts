import { randomBytes } from 'node:crypto';
import type { Offer, OfferRequest, RelayProbe } from '#agent/relay-port';
import { parseManifest } from '#core/manifest';
import { AgentError } from '#core/reason';
import type { Blobs } from '#relay/blobs';
import type { KeptManifest, KeptManifests } from '#relay/kept-manifests';
import type { Upstream } from '#relay/upstream';

/** What the registry face finds under the names that were handed out. Rejects with an `AgentError` where a registry does not give it. */
export interface Shelf {
  /** Notes that somebody asked for a name. @returns whether it was ever handed out */
  noteAsked(name: string): boolean;
  /** Undefined where it is not offered. */
  findManifest(name: string, tagOrDigest: string, signal: AbortSignal): Promise<KeptManifest | undefined>;
  /** The size of a blob in bytes; undefined where it is not offered. */
  findBlob(name: string, digest: string, signal: AbortSignal): Promise<number | undefined>;
  /** A blob from `fromByte` to its end, from whichever live offer has it. */
  readBlob(question: ShelfRead): AsyncIterable<Uint8Array>;
}

export interface ShelfRead {
  readonly name: string;
  readonly digest: string;
  readonly fromByte: number;
  readonly signal: AbortSignal;
}

export interface Offers extends Shelf {
  open(request: OfferRequest, upstream: Upstream): Offer;
  openProbe(): RelayProbe;
}

/** What {@link createOffers} takes. */
export interface OffersOptions {
  /** The relay's own, as engines on this device reach it. */
  readonly address: string;
  readonly blobs: Blobs;
  readonly kept: KeptManifests;
}

/** Names whose offer has ended are remembered: engines go on reading a shared layer under the name that they began with. */
const MAX_ENDED_NAMES = 1000;
/** No tag that a probe asks for is there. */
const NO_DIGEST = `sha256:${'0'.repeat(64)}`;

/** One offer, and what is known of its content. */
interface Entry {
  readonly name: string;
  readonly request: OfferRequest;
  readonly upstream: Upstream;
  /** What may be asked for: the root, and what the manifests that were read name. */
  readonly manifests: Set<string>;
  /** Sizes in bytes by digest. */
  readonly blobs: Map<string, number>;
  /** Aborted where it ends or fails. */
  readonly life: AbortController;
  learnt: Promise<void> | undefined;
  wasAsked: boolean;
  failure: AgentError | undefined;
}

/** Keeps what is offered: nothing else is ever served. */
export function createOffers({ address, blobs, kept }: OffersOptions): Offers {
  const live = new Map<string, Entry>();
  const probes = new Map<string, { wasAsked: boolean }>();
  const ended = new Set<string>();

  /** What one knows by its digest alone may be had by whoever knows 128 bits that were told to the engine only. */
  const createName = (): string => randomBytes(16).toString('hex');

  function end(name: string): void {
    if (!live.delete(name) && !probes.delete(name)) return;
    ended.add(name);
    for (const oldest of ended) {
      if (ended.size <= MAX_ENDED_NAMES) return;
      ended.delete(oldest);
    }
  }

  /** The entries that can still serve something; that of the name comes first. */
  function listHolders(name: string, digest: string): readonly Entry[] {
    const holders = [...live.values()].filter(
      ({ failure, blobs: held }) => failure === undefined && held.has(digest),
    );
    return holders.toSorted((one, other) => Number(other.name === name) - Number(one.name === name));
  }

  function fail(entry: Entry, error: unknown): AgentError {
    entry.failure ??= AgentError.of(error);
    entry.life.abort(entry.failure);
    return entry.failure;
  }

  /** Takes in what a manifest names, and what is kept of that. */
  function learn(entry: Entry, { bytes, mediaType }: KeptManifest): void {
    const manifest = parseManifest(new TextDecoder().decode(bytes), mediaType);
    if (manifest.kind === 'image') {
      const { config, layers } = manifest;
      for (const { digest, sizeBytes } of [config, ...layers]) entry.blobs.set(digest, sizeBytes);
      return;
    }
    for (const { digest } of manifest.children) {
      const isNew = !entry.manifests.has(digest);
      entry.manifests.add(digest);
      const child = kept.get(digest);
      if (isNew && child !== undefined) learn(entry, child);
    }
  }

  async function load(entry: Entry, digest: string, signal: AbortSignal): Promise<KeptManifest> {
    const { repository } = entry.request.reference;
    const either = AbortSignal.any([signal, entry.life.signal]);
    const manifest = kept.get(digest) ?? (await entry.upstream.fetchManifest(repository, digest, either));
    learn(entry, manifest);
    kept.add(manifest);
    return manifest;
  }

  /** As {@link load}; what the registry does not give is the offer's failure. */
  async function require(entry: Entry, digest: string, signal: AbortSignal): Promise<KeptManifest> {
    try {
      return await load(entry, digest, signal);
    } catch (error) {
      if (signal.aborted || entry.life.signal.aborted) throw error;
      throw fail(entry, error);
    }
  }

  /** An engine that has the manifests from an earlier pull asks for blobs at once. */
  function learnAll(entry: Entry): Promise<void> {
    entry.learnt ??= (async () => {
      const { signal } = entry.life;
      await require(entry, entry.request.digest, signal);
      for (const digest of entry.manifests) {
        // A registry on site may hold some of the platforms only.
        await load(entry, digest, signal).catch(() => undefined);
      }
    })();
    return entry.learnt;
  }

  async function* readBlob({ name, digest, fromByte, signal }: ShelfRead): AsyncGenerator<Uint8Array> {
    // An image configuration that was read before.
    const small = kept.get(digest);
    if (small !== undefined) {
      yield small.bytes.subarray(fromByte);
      return;
    }
    let atByte = fromByte;
    let failure: unknown = new AgentError('Cancelled', 'this is no longer offered');
    // Each turn that fails ends a holder.
    for (
      let [holder] = listHolders(name, digest);
      holder !== undefined;
      [holder] = listHolders(name, digest)
    ) {
      const { request, upstream, life } = holder;
      const { repository } = request.reference;
      try {
        for await (const chunk of blobs.read({
          digest,
          sizeBytes: holder.blobs.get(digest) ?? 0,
          fromByte: atByte,
          source: { upstream, repository },
          stallTimeoutMs: request.stallTimeoutMs,
          signal: AbortSignal.any([signal, life.signal]),
          onFetched: request.onFetched,
        })) {
          atByte += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        if (life.signal.aborted) continue;
        // Whoever asks the same of the same registry would wait as long for the same answer.
        for (const entry of listHolders(name, digest)) {
          const isSame = entry.upstream === upstream && entry.request.reference.repository === repository;
          if (isSame) fail(entry, error);
        }
      }
    }
    throw failure;
  }

  return {
    noteAsked(name) {
      const found = live.get(name) ?? probes.get(name);
      if (found !== undefined) found.wasAsked = true;
      return live.has(name) || ended.has(name);
    },

    async findManifest(name, tagOrDigest, signal) {
      const entry = live.get(name);
      if (entry === undefined || entry.failure !== undefined) return undefined;
      const { digest: root, reference } = entry.request;
      const digest = tagOrDigest === reference.tag ? root : tagOrDigest;
      // Children are known once the index is.
      if (!entry.manifests.has(digest)) await require(entry, root, signal);
      return entry.manifests.has(digest) ? require(entry, digest, signal) : undefined;
    },

    async findBlob(name, digest, signal) {
      const find = (): number | undefined => listHolders(name, digest)[0]?.blobs.get(digest);
      const entry = live.get(name);
      if (find() === undefined && entry?.failure === undefined && entry !== undefined) {
        await unlessAborted(learnAll(entry), signal);
      }
      return find();
    },

    readBlob,

    open(request, upstream) {
      const name = createName();
      const { digest } = request;
      const entry: Entry = {
        name,
        request,
        upstream,
        manifests: new Set([digest]),
        blobs: new Map(),
        life: new AbortController(),
        learnt: undefined,
        wasAsked: false,
        failure: undefined,
      };
      live.set(name, entry);
      const root = kept.get(digest);
      if (root !== undefined) learn(entry, root);
      return {
        reference: { registry: address, repository: name, digest },
        get wasAsked() {
          return entry.wasAsked;
        },
        get failure() {
          return entry.failure;
        },
        end() {
          end(name);
          entry.life.abort(new AgentError('Cancelled', 'this is no longer offered'));
        },
      };
    },

    openProbe() {
      const name = createName();
      const probe = { wasAsked: false };
      probes.set(name, probe);
      return {
        reference: { registry: address, repository: name, digest: NO_DIGEST },
        get wasAsked() {
          return probe.wasAsked;
        },
        end: () => end(name),
      };
    },
  };
}

/** Ends the wait alone: others wait for the same. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: either, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  promise.then(resolve, reject);
  return either.finally(() => signal.removeEventListener('abort', abort));
}
