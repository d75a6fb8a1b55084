import { createHash, randomBytes } from 'node:crypto';

/** Bytes under their digest. */
export interface StubBlob {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** An image, or an index of some, as a registry holds it. */
export interface StubImage {
  readonly root: StubBlob;
  /** With the root. */
  readonly manifests: readonly StubBlob[];
  /** Configurations and layers. */
  readonly blobs: readonly StubBlob[];
}

export const TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
  },
} as const;

export function toBlob(content: unknown, mediaType = 'application/octet-stream'): StubBlob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { digest: toDigest(bytes), bytes, mediaType };
}

export const toDigest = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export const toDescriptor = ({ digest, bytes, mediaType }: StubBlob) => ({
  mediaType,
  digest,
  size: bytes.length,
});

export interface StubImageOptions {
  readonly format?: 'docker' | 'oci';
  readonly platform?: string;
  readonly layers?: readonly StubBlob[];
  readonly configType?: string;
  readonly diffIds?: readonly string[];
}

/** An image of two layers of 200 kB, or of those given. */
export function stubImage(options: StubImageOptions = {}): StubImage {
  const { format = 'docker', platform = 'linux/amd64', layers = [randomLayer(), randomLayer()] } = options;
  const types = TYPES[format];
  const config = toBlob(
    {
      ...toPlatformFields(platform),
      rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map(toDiffId) },
    },
    options.configType ?? types.config,
  );
  const root = toBlob(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: toDescriptor(config),
      layers: layers.map(toDescriptor),
    },
    types.manifest,
  );
  return { root, manifests: [root], blobs: [config, ...layers] };
}

/** @param members - by platform; the empty one has none in the index */
export function stubIndex(
  members: Readonly<Record<string, StubImage>>,
  format: 'docker' | 'oci' = 'oci',
): StubImage {
  const root = toBlob(
    {
      schemaVersion: 2,
      mediaType: TYPES[format].index,
      manifests: Object.entries(members).map(([platform, member]) => ({
        ...toDescriptor(member.root),
        ...(platform === '' ? {} : { platform: toPlatformFields(platform) }),
      })),
    },
    TYPES[format].index,
  );
  const images = Object.values(members);
  return {
    root,
    manifests: [root, ...images.flatMap(({ manifests }) => manifests)],
    blobs: images.flatMap(({ blobs }) => blobs),
  };
}

export const randomLayer = (sizeBytes = 200_000): StubBlob => toBlob(randomBytes(sizeBytes));

/** Not the real one: nobody unpacks it. */
export const toDiffId = ({ digest }: StubBlob): string => toDigest(Buffer.from(digest));

function toPlatformFields(platform: string): Record<string, string> {
  const [os = '', architecture = '', variant] = platform.split('/');
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}
