import type { OfferRequest } from '#agent/relay-port';
import { parseManifest } from '#core/manifest';
import { AgentError } from '#core/reason';
import type { KeptManifest, RepositoryManifests } from '#relay/kept-manifests';
import type { Upstream } from '#relay/upstream';

/** What {@link createOfferedImage} takes. */
export interface OfferedImageOptions {
  readonly request: OfferRequest;
  readonly upstream: Upstream;
  readonly kept: RepositoryManifests;
}

/** One image that is on offer, and what is known of its content. */
export interface OfferedImage extends OfferedImageOptions {
  /** Digests that may be asked for: the root, and what the manifests that were read name. */
  readonly manifests: ReadonlySet<string>;
  /** Sizes in bytes by digest, of configurations and layers. */
  readonly blobs: ReadonlyMap<string, number>;
  /** Aborts where it ends or fails. */
  readonly signal: AbortSignal;
  readonly failure: AgentError | undefined;
  /** Reads a manifest; what the registry does not give is the offer's failure. */
  read(digest: string, signal: AbortSignal): Promise<KeptManifest>;
  /**
   * Reads all there are, but those that the registry does not have.
   *
   * @returns why one of them could not be read: the next call asks for it again; undefined where all are known
   */
  readAll(): Promise<unknown>;
  /** Sets the failure, where there is none yet. */
  fail(error: unknown): AgentError;
  end(): void;
}

/** More platforms than any image is for. */
const MAX_READ = 64;

/** An image on offer. What is kept of it is known at once, and nothing is asked. */
export function createOfferedImage(options: OfferedImageOptions): OfferedImage {
  const { request, upstream, kept } = options;
  const { digest: root } = request;
  const manifests = new Set([root]);
  const blobs = new Map<string, number>();
  const life = new AbortController();
  let failure: AgentError | undefined;
  let reading: Promise<unknown> | undefined;

  /** Takes in what a manifest names, and what is kept of that. */
  function learn({ bytes, mediaType }: KeptManifest): void {
    const manifest = parseManifest(new TextDecoder().decode(bytes), mediaType);
    if (manifest.kind === 'image') {
      const { config, layers } = manifest;
      for (const { digest, sizeBytes } of [config, ...layers]) blobs.set(digest, sizeBytes);
      return;
    }
    for (const { digest } of manifest.children) {
      if (manifests.has(digest)) continue;
      manifests.add(digest);
      const child = kept.get(digest);
      if (child !== undefined) learn(child);
    }
  }

  async function load(digest: string, signal: AbortSignal): Promise<KeptManifest> {
    const either = AbortSignal.any([signal, life.signal]);
    const manifest =
      kept.get(digest) ?? (await upstream.fetchManifest(request.reference.repository, digest, either));
    learn(manifest);
    kept.add(manifest);
    return manifest;
  }

  async function readAll(): Promise<unknown> {
    await image.read(root, life.signal);
    let count = 0;
    let unread: unknown;
    for (const digest of manifests) {
      count += 1;
      if (count > MAX_READ) break;
      try {
        await load(digest, life.signal);
      } catch (error) {
        // A registry on site may hold some of the platforms only.
        const isMissing = error instanceof AgentError && error.reason === 'NotFound';
        if (!isMissing) unread ??= error;
      }
    }
    if (unread !== undefined) reading = undefined;
    return unread;
  }

  const image: OfferedImage = {
    ...options,
    manifests,
    blobs,
    signal: life.signal,
    get failure() {
      return failure;
    },
    async read(digest, signal) {
      try {
        return await load(digest, signal);
      } catch (error) {
        if (signal.aborted || life.signal.aborted) throw error;
        throw image.fail(error);
      }
    },
    readAll() {
      reading ??= readAll();
      return reading;
    },
    fail(error) {
      if (failure !== undefined) return failure;
      failure = AgentError.of(error);
      life.abort(failure);
      request.onFailed?.(failure);
      return failure;
    },
    end: () => life.abort(new AgentError('Cancelled', 'this is no longer offered')),
  };
  const known = kept.get(root);
  if (known !== undefined) learn(known);
  return image;
}
