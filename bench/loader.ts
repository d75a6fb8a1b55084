import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ImageContent, ImageLayer } from '#core/image-content';
import { toLayerTree, toMissingLayers } from '#core/image-content';
import type { Reference } from '#core/reference';
import { toAddress } from '#lab/engine/engine-api';
import { createEngineClient } from '#lab/engine/engine-client';
import type { Blobs } from '#relay/blobs';
import type { Upstream } from '#relay/upstream';
import { toImageArchive } from './image-archive.ts';

/** Brings images into an engine by `POST /images/load`. */
export interface Loader {
  /** Rejects with what the engine says where it does not take the image. */
  load(reference: Reference, content: ImageContent, signal: AbortSignal): Promise<void>;
  readonly totals: {
    /** Of layers that were loaded. */
    readonly loadedBytes: number;
    /** The registry's digests that the engine listed after the first load. */
    readonly digestsAfterLoad: readonly string[];
  };
}

export interface LoaderOptions {
  readonly dockerHost: string;
  readonly upstream: Upstream;
  readonly blobs: Pick<Blobs, 'read'>;
  /** Whether layers of images that were loaded before are left out. */
  readonly isThin: boolean;
}

const STALL_TIMEOUT_MS = 60_000;

/** Reads blobs as the relay does. */
export function createLoader({ dockerHost, upstream, blobs, isThin }: LoaderOptions): Loader {
  const engine = createEngineClient(dockerHost);
  const loaded: (readonly string[])[] = [];
  let loadedBytes = 0;
  let digestsAfterLoad: readonly string[] | undefined;
  return {
    async load({ registry, repository, tag = '' }, content, signal) {
      const name = `${registry}/${repository}:${tag}`;
      const read = ({
        digest,
        sizeBytes,
      }: Pick<ImageLayer, 'digest' | 'sizeBytes'>): AsyncIterable<Uint8Array> => {
        const source = { upstream, repository };
        return blobs.read({
          digest,
          sizeBytes,
          fromByte: 0,
          source,
          stallTimeoutMs: STALL_TIMEOUT_MS,
          signal,
        });
      };
      const manifest = await upstream.fetchManifest(repository, content.digest, signal);
      const config = await buffer(Readable.from(read(content.config)));
      const layers = isThin ? toMissingLayers(content, toLayerTree(loaded)) : content.layers;
      for (const { sizeBytes } of layers) loadedBytes += sizeBytes;
      await send(dockerHost, toImageArchive({ name, content, manifest, config, layers, read }));
      loaded.push(content.layers.map(({ diffId }) => diffId));
      digestsAfterLoad ??= (await engine.inspect(name))?.digests ?? [];
    },
    get totals() {
      return { loadedBytes, digestsAfterLoad: digestsAfterLoad ?? [] };
    },
  };
}

async function send(dockerHost: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const call = request({
    ...toAddress(dockerHost),
    method: 'POST',
    path: '/images/load?quiet=1',
    headers: { 'content-type': 'application/x-tar' },
    agent: false,
  });
  const answered = once(call, 'response') as Promise<[IncomingMessage]>;
  const [[response]] = await Promise.all([answered, pipeline(Readable.from(archive), call)]);
  const answer = await text(response);
  if (response.statusCode !== 200 || answer.includes('"error"')) throw new Error(`load: ${answer.trim()}`);
}
