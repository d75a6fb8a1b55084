import { randomBytes } from 'node:crypto';
import type { Clock } from '#agent/ports';
import type { Offer, OfferRequest, RelayProbe } from '#agent/relay-port';
import { AgentError } from '#core/reason';
import type { Blobs } from '#relay/blobs';
import type { KeptManifest, KeptManifests } from '#relay/kept-manifests';
import { createOfferedImage } from '#relay/offered-image';
import type { OfferedImage } from '#relay/offered-image';
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
  readonly clock: Pick<Clock, 'steadyMs'>;
}

/** An engine that asked for the manifest and asks for nothing more for so long has no place free for the layers. */
const HELD_UP_MS = 5000;
/** Names whose offer has ended are remembered: engines go on reading a shared layer under the name that they began with. */
const MAX_ENDED_NAMES = 1000;
/** No tag that a probe asks for is there. */
const NO_DIGEST = `sha256:${'0'.repeat(64)}`;

interface Probe {
  wasAsked: boolean;
}

interface Entry extends Probe {
  readonly name: string;
  readonly image: OfferedImage;
  /** Blobs that are being read under its name. */
  reads: number;
  /** By the steady clock: when somebody last asked for it or read on. */
  activeMs: number;
}

/** Keeps what is offered: nothing else is ever served. */
export function createOffers({ address, blobs, kept, clock }: OffersOptions): Offers {
  const live = new Map<string, Entry>();
  const probes = new Map<string, Probe>();
  const ended = new Set<string>();

  function end(name: string): void {
    if (!live.delete(name) && !probes.delete(name)) return;
    ended.add(name);
    for (const oldest of ended) {
      if (ended.size <= MAX_ENDED_NAMES) return;
      ended.delete(oldest);
    }
  }

  /** The images that a blob can still be had of; that of the name comes first. */
  function listHolders(name: string, digest: string): readonly OfferedImage[] {
    return [...live.values()]
      .filter(({ image }) => image.failure === undefined && image.blobs.has(digest))
      .toSorted((one, other) => Number(other.name === name) - Number(one.name === name))
      .map(({ image }) => image);
  }

  /** Whether another registry's image waits for places that the engine has given to this one. */
  function isInTheWay({ request: { access } }: OfferedImage): boolean {
    return [...live.values()].some(
      ({ image, wasAsked, reads, activeMs }) =>
        image.request.access.address !== access.address &&
        wasAsked &&
        reads === 0 &&
        clock.steadyMs() - activeMs >= HELD_UP_MS,
    );
  }

  async function* readBlob(read: ShelfRead): AsyncGenerator<Uint8Array> {
    const entry = live.get(read.name);
    if (entry !== undefined) entry.reads += 1;
    try {
      yield* readFromAny(read);
    } finally {
      if (entry !== undefined) Object.assign(entry, { reads: entry.reads - 1, activeMs: clock.steadyMs() });
    }
  }

  async function* readFromAny({ name, digest, fromByte, signal }: ShelfRead): AsyncGenerator<Uint8Array> {
    let atByte = fromByte;
    let failure: unknown = new AgentError('Cancelled', 'this is no longer offered');
    // Each turn that fails ends a holder.
    for (;;) {
      const [holder] = listHolders(name, digest);
      if (holder === undefined) throw failure;
      try {
        for await (const chunk of readHeld(holder, { digest, fromByte: atByte, signal })) {
          atByte += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        if (holder.signal.aborted) continue;
        // Whoever asks the same of the same registry would wait as long for the same answer.
        for (const other of listHolders(name, digest)) if (isSameSource(holder, other)) other.fail(error);
      }
    }
  }

  async function* readHeld(
    image: OfferedImage,
    { digest, fromByte, signal }: Omit<ShelfRead, 'name'>,
  ): AsyncGenerator<Uint8Array> {
    const { request, upstream, kept: known, blobs: sizes, signal: life } = image;
    // An image configuration that was read before.
    const small = known.get(digest);
    if (small !== undefined) yield small.bytes.subarray(fromByte);
    else {
      yield* blobs.read({
        digest,
        sizeBytes: sizes.get(digest) ?? 0,
        fromByte,
        source: { upstream, repository: request.reference.repository },
        stallTimeoutMs: request.stallTimeoutMs,
        isInTheWay: () => isInTheWay(image),
        signal: AbortSignal.any([signal, life]),
        onFetched: request.onFetched,
      });
    }
  }

  return {
    noteAsked(name) {
      const entry = live.get(name);
      if (entry !== undefined) entry.activeMs = clock.steadyMs();
      const found = entry ?? probes.get(name);
      if (found !== undefined) found.wasAsked = true;
      return live.has(name) || ended.has(name);
    },

    async findManifest(name, tagOrDigest, signal) {
      const image = live.get(name)?.image;
      if (image === undefined || image.failure !== undefined) return undefined;
      const { digest: root, reference } = image.request;
      const digest = tagOrDigest === reference.tag ? root : tagOrDigest;
      // Children are known once the index is.
      if (!image.manifests.has(digest)) await image.read(root, signal);
      return image.manifests.has(digest) ? image.read(digest, signal) : undefined;
    },

    async findBlob(name, digest, signal) {
      const find = (): number | undefined => listHolders(name, digest)[0]?.blobs.get(digest);
      const image = live.get(name)?.image;
      // An engine that has the manifests from an earlier pull asks for none of them.
      if (find() === undefined && image !== undefined && image.failure === undefined) {
        const unread = await unlessAborted(image.readAll(), signal);
        // What could not be read may name it.
        if (unread !== undefined && find() === undefined && !image.signal.aborted) throw image.fail(unread);
      }
      return find();
    },

    readBlob,

    open(request, upstream) {
      const name = createName();
      const { access, digest, reference } = request;
      const image = createOfferedImage({
        request,
        upstream,
        kept: kept.of(`${access.address}/${reference.repository}`),
      });
      const entry: Entry = { name, image, wasAsked: false, reads: 0, activeMs: clock.steadyMs() };
      live.set(name, entry);
      return {
        reference: { registry: address, repository: name, digest },
        get wasAsked() {
          return entry.wasAsked;
        },
        get failure() {
          return image.failure;
        },
        end() {
          end(name);
          image.end();
        },
      };
    },

    openProbe() {
      const name = createName();
      const probe: Probe = { wasAsked: false };
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

/** What one knows by its digest alone may be had by whoever knows 128 bits that were told to the engine only. */
const createName = (): string => randomBytes(16).toString('hex');

const isSameSource = (one: OfferedImage, other: OfferedImage): boolean =>
  one.upstream === other.upstream && one.request.reference.repository === other.request.reference.repository;

/** Ends the wait alone: others wait for the same. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: either, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  promise.then(resolve, reject);
  return either.finally(() => signal.removeEventListener('abort', abort));
}
