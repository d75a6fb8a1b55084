import type { Blobs } from '#relay/blobs';
import { AgentError } from '#core/reason';
import type { Upstream } from '#relay/upstream';
import type { StubBlob, StubImage } from '#test/unit/relay/stub-image';

/** A registry without a network. */
export interface StubUpstream extends Upstream {
  /** What was asked for: `HEAD group/app 1`, `GET group/app sha256:…`, `BLOB sha256:… from 0`. */
  readonly asked: string[];
  /** Thrown for what is asked from now on. */
  failure: AgentError | undefined;
  put(repository: string, image: StubImage, tag?: string): void;
  forget(digest: string): void;
}

const PIECE_BYTES = 64 * 1024;

export function createStubUpstream(): StubUpstream {
  const manifests = new Map<string, StubBlob>();
  const blobs = new Map<string, Buffer>();
  const find = (repository: string, what: string): StubBlob => {
    if (upstream.failure !== undefined) throw upstream.failure;
    const found = manifests.get(`${repository} ${what}`);
    if (found === undefined) throw new AgentError('NotFound', `${what}: manifest unknown`);
    return found;
  };
  const upstream: StubUpstream = {
    asked: [],
    failure: undefined,
    isPlainHttp: true,
    put(repository, image, tag) {
      for (const manifest of image.manifests) manifests.set(`${repository} ${manifest.digest}`, manifest);
      if (tag !== undefined) manifests.set(`${repository} ${tag}`, image.root);
      for (const { digest, bytes } of image.blobs) blobs.set(digest, bytes);
    },
    forget(digest) {
      for (const key of manifests.keys()) if (key.endsWith(digest)) manifests.delete(key);
      blobs.delete(digest);
    },
    async login() {
      upstream.asked.push('LOGIN');
      if (upstream.failure !== undefined) throw upstream.failure;
    },
    async headManifest(repository, what) {
      upstream.asked.push(`HEAD ${repository} ${what}`);
      const { digest, mediaType, bytes } = find(repository, what);
      return { digest, mediaType, sizeBytes: bytes.length };
    },
    async fetchManifest(repository, what) {
      upstream.asked.push(`GET ${repository} ${what}`);
      return find(repository, what);
    },
    async openBlob({ digest, fromByte }, signal) {
      upstream.asked.push(`BLOB ${digest} from ${fromByte}`);
      if (upstream.failure !== undefined) throw upstream.failure;
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw new AgentError('Corrupt', 'blob unknown');
      async function* read(held: Buffer): AsyncGenerator<Uint8Array> {
        for (let at = fromByte; at < held.length; at += PIECE_BYTES) {
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
          yield held.subarray(at, at + PIECE_BYTES);
        }
      }
      return { fromByte, totalBytes: bytes.length, body: read(bytes) };
    },
  };
  return upstream;
}

/** Blobs that are read in one attempt and never kept. */
export interface StubBlobs extends Blobs {
  /** From so many bytes on a reader waits until it is aborted, or fails. */
  readonly stops: Map<Upstream | 'any', { readonly atByte: number; readonly failure?: AgentError }>;
  /** Bytes that were given out. */
  readonly readBytes: number;
  /** Readers that have begun and not ended. */
  readonly readers: number;
  keptOnly: ReadonlySet<string> | undefined;
}

export function createStubBlobs(): StubBlobs {
  const stops: StubBlobs['stops'] = new Map();
  let readBytes = 0;
  let readers = 0;

  return {
    stops,
    keptOnly: undefined,
    get readBytes() {
      return readBytes;
    },
    get readers() {
      return readers;
    },
    forget: async () => undefined,
    forgetOld: async () => undefined,
    keptBytes: () => 0,
    keptSizes: () => new Map(),
    async keepOnly(digests) {
      this.keptOnly = digests;
    },
    async *read({ digest, fromByte, source, signal, onFetched }) {
      readers += 1;
      try {
        const { repository } = source;
        const { body } = await source.upstream.openBlob({ repository, digest, fromByte }, signal);
        let at = fromByte;
        for await (const chunk of body) {
          const stop = stops.get(source.upstream as Upstream) ?? stops.get('any');
          if (stop !== undefined && at >= stop.atByte) {
            if (stop.failure !== undefined) throw stop.failure;
            await untilAborted(signal);
          }
          at += chunk.length;
          readBytes += chunk.length;
          onFetched?.(chunk.length);
          yield chunk;
        }
      } finally {
        readers -= 1;
      }
    },
  };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  if (signal.aborted) reject(signal.reason);
  return promise;
}
