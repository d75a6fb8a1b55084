import type { ImageContent, ImageLayer } from '#core/image-content';
import { formatTarHeader, TAR_END, tarPadding } from '#lab/images/tar';

/** An image as it is put into an archive for `POST /images/load`. */
export interface ArchivedImage {
  /** The name that it gets, with a tag. */
  readonly name: string;
  readonly content: ImageContent;
  readonly manifest: { readonly mediaType: string; readonly bytes: Uint8Array };
  readonly config: Uint8Array;
  /** Those that are not left out, from the bottom up. */
  readonly layers: readonly ImageLayer[];
  read(layer: ImageLayer): AsyncIterable<Uint8Array>;
}

/**
 * An archive that is an OCI layout, which the containerd store goes by, and what `docker save` makes, which the classic
 * store goes by; layers are compressed as the registry has them.
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
 * @see https://github.com/moby/moby/blob/v28.5.2/image/tarexport/load.go
 */
export async function* toImageArchive(image: ArchivedImage): AsyncGenerator<Uint8Array> {
  const { name, content, manifest, config } = image;
  const { mediaType, bytes } = manifest;
  const annotations = { 'io.containerd.image.name': name };
  const descriptor = { mediaType, digest: content.digest, size: bytes.length, annotations };
  const saved = {
    Config: toPath(content.config.digest),
    RepoTags: [name],
    Layers: content.layers.map(({ digest }) => toPath(digest)),
  };
  yield* toFile('oci-layout', toJson({ imageLayoutVersion: '1.0.0' }));
  yield* toFile('index.json', toJson({ schemaVersion: 2, manifests: [descriptor] }));
  yield* toFile('manifest.json', toJson([saved]));
  yield* toFile(toPath(content.digest), bytes);
  yield* toFile(toPath(content.config.digest), config);
  for (const layer of image.layers) {
    yield toHeader(toPath(layer.digest), layer.sizeBytes);
    yield* image.read(layer);
    yield tarPadding(layer.sizeBytes);
  }
  yield TAR_END;
}

function* toFile(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield toHeader(name, bytes.length);
  yield bytes;
  yield tarPadding(bytes.length);
}

const toHeader = (name: string, sizeBytes: number): Buffer =>
  formatTarHeader({ name, mode: 0o644, sizeBytes });
const toPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
