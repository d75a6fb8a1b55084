import { text } from 'node:stream/consumers';
import type { DockerHost, PullCredentials } from './engine-api.ts';
import { callEngine, callEngineJson, formatRegistryAuth } from './engine-api.ts';

/** An image as an engine lists it. */
export interface EngineImage {
  /** `sha256:<hex>`. */
  readonly id: string;
  /** `registry/repository:tag`, sorted. */
  readonly references: readonly string[];
  /** `registry/repository@sha256:<hex>`, sorted. */
  readonly digests: readonly string[];
  /** Unpacked. */
  readonly sizeBytes: number;
}

/** One image, seen closely. */
export interface EngineImageDetails extends EngineImage {
  readonly os: string;
  readonly architecture: string;
}

/** How a pull went. */
export interface PullOutcome {
  /** HTTP status; 200 is no success yet. */
  readonly status: number;
  /** What the engine says went wrong, `undefined` after a success. */
  readonly error: string | undefined;
  /** `status` of every line that names no layer: the digest, and at last whether anything was downloaded. */
  readonly statuses: readonly string[];
}

/** What {@link EngineClient.pull} takes. */
export interface PullOptions {
  readonly credentials?: PullCredentials;
  /** `os/architecture`, for a manifest list. */
  readonly platform?: string;
  readonly signal?: AbortSignal;
}

/** The few things that tests, the demo and the benchmarks do to an engine themselves. */
export interface EngineClient {
  readonly dockerHost: DockerHost;
  version(): Promise<string>;
  images(): Promise<EngineImage[]>;
  /** `undefined` when there is no such image. */
  inspect(reference: string): Promise<EngineImageDetails | undefined>;
  /** `reference` has a tag or a digest. Failures are in the outcome; rejects when the engine goes away. */
  pull(reference: string, options?: PullOptions): Promise<PullOutcome>;
  remove(reference: string): Promise<void>;
  /** All images, tags and digests, in use or not. */
  removeAllImages(): Promise<void>;
}

interface ListedImage {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Size: number;
}

/** A client that keeps no connection and no state. */
export function createEngineClient(dockerHost: DockerHost): EngineClient {
  const images = async () => {
    const list = await callEngineJson(dockerHost, { path: '/images/json' });
    return (list as ListedImage[]).map(toEngineImage);
  };
  const remove = async (reference: string) => {
    await callEngineJson(dockerHost, { method: 'DELETE', path: `/images/${reference}?force=true` });
  };
  return {
    dockerHost,
    images,
    remove,
    pull: (reference, options = {}) => pull(dockerHost, reference, options),

    async version() {
      const answer = await callEngineJson(dockerHost, { path: '/version' });
      return (answer as { Version: string }).Version;
    },

    async inspect(reference) {
      const { status, body } = await callEngine(dockerHost, { path: `/images/${reference}/json` });
      const answer = await text(body);
      if (status === 404) return undefined;
      if (status !== 200) throw new Error(`inspect ${reference}: ${status} ${answer.trim()}`);
      const image = JSON.parse(answer) as ListedImage & { Os: string; Architecture: string };
      return { ...toEngineImage(image), os: image.Os, architecture: image.Architecture };
    },

    async removeAllImages() {
      for (const image of await images()) {
        // One image may be another's parent, and be gone with it.
        await remove(image.id).catch(() => undefined);
      }
      const left = await images();
      if (left.length > 0) throw new Error(`${left.length} images could not be removed`);
    },
  };
}

async function pull(dockerHost: DockerHost, reference: string, options: PullOptions): Promise<PullOutcome> {
  const query = new URLSearchParams({ fromImage: reference });
  if (options.platform !== undefined) query.set('platform', options.platform);
  const registry = reference.slice(0, reference.indexOf('/'));
  const { status, body } = await callEngine(dockerHost, {
    method: 'POST',
    path: `/images/create?${query.toString()}`,
    ...(options.credentials === undefined
      ? {}
      : { headers: { 'x-registry-auth': formatRegistryAuth(options.credentials, registry) } }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const lines = (await text(body))
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as { status?: string; id?: string; error?: string; message?: string });
  const failure = lines.findLast((line) => line.error !== undefined || line.message !== undefined);
  return {
    status,
    error: failure?.error ?? failure?.message,
    statuses: lines.flatMap((line) =>
      line.status === undefined || line.id !== undefined ? [] : [line.status],
    ),
  };
}

function toEngineImage(image: ListedImage): EngineImage {
  return {
    id: image.Id,
    // The containerd store counts the name that an image was pulled by as a tag, even if it is a digest.
    references: (image.RepoTags ?? [])
      .filter((name) => name !== '<none>:<none>' && !name.includes('@'))
      .toSorted(),
    digests: (image.RepoDigests ?? []).filter((name) => name !== '<none>@<none>').toSorted(),
    sizeBytes: image.Size,
  };
}
