import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Layer } from './layer.ts';
import { syntheticLayer } from './layer.ts';
import type { LayerSpec } from './layer.ts';

/** The two families of media types: Docker's (`schema 2`) and OCI's. Engines and registries know both. */
export type ImageFormat = 'docker' | 'oci';

/** Bytes that a registry keeps under their digest. */
export interface ImageBlob {
  readonly mediaType: string;
  /** `sha256:<hex>`. */
  readonly digest: string;
  readonly sizeBytes: number;
  open(): Readable;
}

/** An image for one platform. */
export interface PlatformImage {
  readonly kind: 'image';
  readonly format: ImageFormat;
  /** `os/architecture` or `os/architecture/variant`. */
  readonly platform: string;
  /** The manifest: a registry serves it under its digest or a tag. */
  readonly manifest: ImageBlob;
  /** Its digest is what the engine (without the containerd store) calls the image's ID. */
  readonly config: ImageBlob;
  readonly layers: readonly ImageBlob[];
}

/** A manifest list: the engine picks the image of its own platform. */
export interface MultiPlatformImage {
  readonly kind: 'index';
  readonly format: ImageFormat;
  readonly manifest: ImageBlob;
  readonly images: readonly PlatformImage[];
}

/** An image that was made here and can be pushed. */
export type SyntheticImage = PlatformImage | MultiPlatformImage;

/** What {@link syntheticImage} takes. */
export interface SyntheticImageOptions {
  /** From the bottom up. */
  readonly layers: readonly LayerSpec[];
  /** Default `linux/amd64`. */
  readonly platform?: string;
  /** The `config` part of the image configuration: `Env`, `Labels`, `Cmd`… */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Default `docker`. */
  readonly format?: ImageFormat;
}

const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;

/** Of manifests and manifest lists in all formats, as an Accept header wants them. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = Object.values(MEDIA_TYPES).flatMap((types) => [
  types.manifest,
  types.index,
]);

/** An image that the given specs decide to the last byte: equal options, equal digest. */
export async function syntheticImage(options: SyntheticImageOptions): Promise<PlatformImage> {
  return assembleImage(await Promise.all(options.layers.map(syntheticLayer)), options);
}

/** An image of the given layers. */
export function assembleImage(
  layers: readonly Layer[],
  options: Omit<SyntheticImageOptions, 'layers'>,
): PlatformImage {
  const { platform = 'linux/amd64', format = 'docker' } = options;
  const types = MEDIA_TYPES[format];
  const config = toJsonBlob(types.config, {
    ...toPlatform(platform),
    created: '1970-01-01T00:00:00Z',
    config: options.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'lab' })),
  });
  const blobs = layers.map((layer) => ({ mediaType: types.layer, ...layer }));
  const manifest = toJsonBlob(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: toDescriptor(config),
    layers: blobs.map(toDescriptor),
  });
  return { kind: 'image', format, platform, manifest, config, layers: blobs };
}

/** One image for several platforms. Its format is that of the first of `images`, `docker` when there are none. */
export function multiPlatformImage(images: readonly PlatformImage[]): MultiPlatformImage {
  const format = images[0]?.format ?? 'docker';
  const mediaType = MEDIA_TYPES[format].index;
  const manifest = toJsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => ({
      ...toDescriptor(image.manifest),
      platform: toPlatform(image.platform),
    })),
  });
  return { kind: 'index', format, manifest, images };
}

/** The images in it, itself included. */
export function listPlatformImages(image: SyntheticImage): readonly PlatformImage[] {
  return image.kind === 'image' ? [image] : image.images;
}

/** What a registry keeps for it beside manifests, each digest once. */
export function listBlobs(image: SyntheticImage): ImageBlob[] {
  const blobs = listPlatformImages(image).flatMap((member) => [member.config, ...member.layers]);
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

function toPlatform(platform: string): Record<string, string> {
  const [os = 'linux', architecture = 'amd64', variant] = platform.split('/');
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function toDescriptor(blob: ImageBlob): Record<string, unknown> {
  return { mediaType: blob.mediaType, size: blob.sizeBytes, digest: blob.digest };
}

function toJsonBlob(mediaType: string, value: unknown): ImageBlob {
  const bytes = Buffer.from(JSON.stringify(value));
  return {
    mediaType,
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    sizeBytes: bytes.length,
    open: () => Readable.from([bytes], { objectMode: false }),
  };
}
