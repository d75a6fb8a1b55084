import { createHash } from 'node:crypto';
import type { ContentQuestion, ImageContent, ImageLayer } from '#agent/relay-port';
import { parseImageConfig, parseManifest, requireImage } from '#core/manifest';
import { listPlatforms, pickChild, toMismatch } from '#core/manifest-choice';
import type { Descriptor, ImageConfig, ImageManifest, Manifest } from '#core/manifest';
import { isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';
import type { Reference } from '#core/reference';
import { toToldBytes } from '#core/unpacked-size';
import type { Blobs } from '#relay/blobs';
import type { RepositoryManifests } from '#relay/kept-manifests';
import type { Upstream } from '#relay/upstream';

/** Where the content of an image is asked for. */
export interface ContentSource {
  readonly upstream: Upstream;
  readonly blobs: Pick<Blobs, 'read'>;
  /** Of the repository that is asked. */
  readonly kept: RepositoryManifests;
}

/** Real ones have some thousand bytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** It is small, but a registry that a whole fleet asks at once may take its time. */
const CONFIG_STALL_TIMEOUT_MS = 120_000;

/** A manifest and what it says. */
interface Read {
  readonly digest: string;
  readonly manifest: Manifest;
}

/** As `Relay.fetchContent`. */
export async function fetchContent(question: ContentQuestion, source: ContentSource): Promise<ImageContent> {
  const { reference, platform: engine, wanted, signal } = question;
  const { repository } = reference;
  const root = await readManifest(source, { repository, tagOrDigest: toTagOrDigest(reference), signal });
  const { image, isCertain } = await pickImage(root.manifest);
  requireImage(image);
  const config = await readConfig(source, { repository, descriptor: image.config, signal });
  const isFitting = isCertain || isPlatformMatch(config.platform, engine, wanted);
  if (!isFitting) throw toMismatch([config.platform], wanted ?? engine);
  if (config.diffIds.length !== image.layers.length) {
    throw new AgentError(
      'RegistryError',
      `the manifest has ${image.layers.length} layers and the image configuration ${config.diffIds.length}: have the image pushed again`,
    );
  }
  return {
    digest: root.digest,
    platforms: root.manifest.kind === 'index' ? listPlatforms(root.manifest) : [config.platform],
    config: { digest: image.config.digest, sizeBytes: image.config.sizeBytes },
    layers: image.layers.map((layer, index) => toLayer(layer, config.diffIds[index] ?? '')),
  };

  /** The image for the platform; certain where an index says that it is for it. */
  async function pickImage(
    manifest: Manifest,
  ): Promise<{ readonly image: ImageManifest; readonly isCertain: boolean }> {
    if (manifest.kind === 'image') return { image: manifest, isCertain: false };
    const { digest, platform } = pickChild(manifest, engine, wanted);
    const child = await readManifest(source, { repository, tagOrDigest: digest, signal });
    if (child.manifest.kind === 'image') {
      return { image: child.manifest, isCertain: platform !== undefined };
    }
    throw new AgentError('RegistryError', 'an index within an index: push the image as one index');
  }
}

function toLayer({ unpackedSize, ...described }: Descriptor, diffId: string): ImageLayer {
  const unpackedBytes = toToldBytes(described, unpackedSize);
  return { ...described, diffId, ...(unpackedBytes === undefined ? {} : { unpackedBytes }) };
}

/** The platforms of what a digest stands for. */
export async function fetchPlatforms(
  reference: Reference,
  source: ContentSource,
  signal: AbortSignal,
): Promise<readonly Platform[]> {
  const { repository } = reference;
  const { manifest } = await readManifest(source, {
    repository,
    tagOrDigest: toTagOrDigest(reference),
    signal,
  });
  if (manifest.kind === 'index') return listPlatforms(manifest);
  requireImage(manifest);
  return [(await readConfig(source, { repository, descriptor: manifest.config, signal })).platform];
}

/** What is pulled: a digest stands for the same for ever. */
export const toTagOrDigest = ({ tag, digest }: Reference): string => digest ?? tag ?? 'latest';

async function readManifest(
  { upstream, kept }: ContentSource,
  {
    repository,
    tagOrDigest,
    signal,
  }: { readonly repository: string; readonly tagOrDigest: string; readonly signal: AbortSignal },
): Promise<Read> {
  const served = kept.get(tagOrDigest) ?? (await upstream.fetchManifest(repository, tagOrDigest, signal));
  const manifest = parseManifest(new TextDecoder().decode(served.bytes), served.mediaType);
  kept.add(served);
  return { digest: served.digest, manifest };
}

async function readConfig(
  { upstream, blobs, kept }: ContentSource,
  {
    repository,
    descriptor: { digest, sizeBytes },
    signal,
  }: { readonly repository: string; readonly descriptor: Descriptor; readonly signal: AbortSignal },
): Promise<ImageConfig> {
  if (sizeBytes > MAX_CONFIG_BYTES) {
    throw new AgentError(
      'RegistryError',
      `the image configuration has ${sizeBytes} bytes, more than any engine takes: have the image built anew`,
    );
  }
  const found = kept.get(digest);
  if (found !== undefined) return parseImageConfig(new TextDecoder().decode(found.bytes));
  const chunks: Uint8Array[] = [];
  let length = 0;
  const hash = createHash('sha256');
  for await (const chunk of blobs.read({
    digest,
    sizeBytes,
    fromByte: 0,
    source: { upstream, repository },
    stallTimeoutMs: CONFIG_STALL_TIMEOUT_MS,
    signal,
  })) {
    length += chunk.length;
    if (length > sizeBytes) throw toCorrupt(digest);
    hash.update(chunk);
    chunks.push(chunk);
  }
  if (`sha256:${hash.digest('hex')}` !== digest) throw toCorrupt(digest);
  const bytes = Buffer.concat(chunks);
  const config = parseImageConfig(new TextDecoder().decode(bytes));
  kept.add({ digest, mediaType: '', bytes });
  return config;
}

const toCorrupt = (digest: string): AgentError =>
  new AgentError('Corrupt', `the image configuration is not what its digest says: ${digest}`);
