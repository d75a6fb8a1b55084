import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ImageBlob, SyntheticImage } from '../images/image.ts';
import { listBlobs, listPlatformImages } from '../images/image.ts';
import type { BackingClient } from './backing-client.ts';

/** What a push put into the registry. */
export interface PushedImage {
  /** Of the manifest that the tag names. */
  readonly digest: string;
  /** Of configurations and layers of all its platforms, each blob once, pushed now or there before. */
  readonly sizeBytes: number;
}

/** Changes what the registry holds, past its front: never logged, never hit by a fault. */
export interface RegistryContent {
  /** Pushes what is missing. Without a tag the image has its digest only. */
  push(image: SyntheticImage, repository: string, tag?: string): Promise<PushedImage>;
  /** Makes or moves `tag` to what `reference`, a tag or a digest in the same repository, names. */
  tag(repository: string, reference: string, tag: string): Promise<void>;
  /** The digest that a tag or a digest stands for, `undefined` when the repository does not have it. */
  resolve(repository: string, reference: string): Promise<string | undefined>;
  /** Forgets a tag; the manifest stays under its digest. */
  deleteTag(repository: string, tag: string): Promise<void>;
  /** Forgets a manifest and its tags. */
  deleteManifest(repository: string, digest: string): Promise<void>;
  /** Forgets a repository; blobs stay for those that share them. */
  deleteRepository(repository: string): Promise<void>;
  /** Loses a blob's bytes in all repositories, as a synchronisation that has not come to it yet. A push heals it. */
  deleteBlob(digest: string): Promise<void>;
}

/**
 * The content of one registry.
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints
 */
export function createContent(call: BackingClient, dataDir: string): RegistryContent {
  const root = join(dataDir, 'docker/registry/v2');
  /** A repository that has the blob, from which others get it without an upload. */
  const homes = new Map<string, string>();

  const pushBlob = async (repository: string, blob: ImageBlob) => {
    const found = await call({
      repositories: [repository],
      method: 'HEAD',
      path: `/v2/${repository}/blobs/${blob.digest}`,
      expects: [200, 404],
    });
    const home = homes.get(blob.digest) ?? repository;
    homes.set(blob.digest, repository);
    if (found.status === 200) return;
    const upload = await call({
      repositories: [repository, home],
      method: 'POST',
      path: `/v2/${repository}/blobs/uploads/?mount=${blob.digest}&from=${home}`,
      expects: [201, 202],
    });
    if (upload.status === 201) return;
    const location = new URL(upload.headers.location ?? '', 'http://registry');
    location.searchParams.set('digest', blob.digest);
    await call({
      repositories: [repository],
      method: 'PUT',
      path: `${location.pathname}${location.search}`,
      payload: { ...blob, mediaType: 'application/octet-stream' },
      expects: [201],
    });
  };
  const pushManifest = (repository: string, reference: string, manifest: ImageBlob) =>
    call({
      repositories: [repository],
      method: 'PUT',
      path: `/v2/${repository}/manifests/${reference}`,
      payload: manifest,
      expects: [201],
    });

  return {
    async push(image, repository, tag) {
      const blobs = listBlobs(image);
      for (const blob of blobs) await pushBlob(repository, blob);
      for (const { manifest } of listPlatformImages(image)) {
        await pushManifest(repository, manifest.digest, manifest);
      }
      await pushManifest(repository, tag ?? image.manifest.digest, image.manifest);
      return {
        digest: image.manifest.digest,
        sizeBytes: blobs.reduce((total, blob) => total + blob.sizeBytes, 0),
      };
    },

    async tag(repository, reference, tag) {
      const { headers, body } = await call({
        repositories: [repository],
        method: 'GET',
        path: `/v2/${repository}/manifests/${reference}`,
        expects: [200],
      });
      await pushManifest(repository, tag, {
        mediaType: headers['content-type'] ?? '',
        digest: String(headers['docker-content-digest']),
        sizeBytes: body.length,
        open: () => Readable.from([body], { objectMode: false }),
      });
    },

    async resolve(repository, reference) {
      const { status, headers } = await call({
        repositories: [repository],
        method: 'HEAD',
        path: `/v2/${repository}/manifests/${reference}`,
        expects: [200, 404],
      });
      return status === 200 ? String(headers['docker-content-digest']) : undefined;
    },

    // The registry's API has no such call; a tag is a folder.
    deleteTag: (repository, tag) =>
      rm(join(root, 'repositories', repository, '_manifests/tags', tag), { recursive: true }),

    async deleteManifest(repository, digest) {
      await call({
        repositories: [repository],
        method: 'DELETE',
        path: `/v2/${repository}/manifests/${digest}`,
        expects: [202],
      });
    },

    deleteRepository: (repository) => rm(join(root, 'repositories', repository), { recursive: true }),

    deleteBlob(digest) {
      const hex = digest.replace('sha256:', '');
      return rm(join(root, 'blobs/sha256', hex.slice(0, 2), hex, 'data'));
    },
  };
}
