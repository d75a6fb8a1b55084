import type { OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:http';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import type { ImageBlob, SyntheticImage } from '../images/image.ts';
import { listBlobs, listPlatformImages, MANIFEST_MEDIA_TYPES } from '../images/image.ts';

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
  /** The digest behind a tag, `undefined` when there is none. */
  resolve(repository: string, tag: string): Promise<string | undefined>;
  /** Forgets a tag; the manifest stays under its digest. */
  deleteTag(repository: string, tag: string): Promise<void>;
  /** Forgets a manifest and its tags. */
  deleteManifest(repository: string, digest: string): Promise<void>;
  /** Forgets a repository; blobs stay for those that share them. */
  deleteRepository(repository: string): Promise<void>;
  /** Loses a blob's bytes in all repositories, as a synchronisation that has not come to it yet. */
  deleteBlob(digest: string): Promise<void>;
}

/** What {@link createContent} takes. */
export interface ContentOptions {
  readonly socketPath: string;
  readonly dataDir: string;
  /** `host:port`. */
  readonly address: string;
  /** An Authorization header that lets everything be done to a repository. */
  readonly authorize: (repository: string) => OutgoingHttpHeaders;
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * The content of one registry.
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints
 */
export function createContent(options: ContentOptions): RegistryContent {
  const root = join(options.dataDir, 'docker/registry/v2');

  const call = async (
    repository: string,
    method: string,
    path: string,
    payload?: { headers: OutgoingHttpHeaders; body: Readable },
  ): Promise<Reply> => {
    const headers = {
      host: options.address,
      // Without all of them the registry makes up a manifest of the first schema.
      accept: MANIFEST_MEDIA_TYPES.join(', '),
      ...options.authorize(repository),
      ...payload?.headers,
    };
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const outgoing = request({ socketPath: options.socketPath, method, path, headers, agent: false });
    outgoing.once('error', reject).once('response', (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    if (payload === undefined) outgoing.end();
    else pipeline(payload.body, outgoing).catch(reject);
    return promise;
  };
  const expect = (reply: Reply, status: number, what: string) => {
    if (reply.status !== status) throw new Error(`${what}: ${reply.status} ${reply.body.toString().trim()}`);
  };

  const pushBlob = async (repository: string, blob: ImageBlob) => {
    const found = await call(repository, 'HEAD', `/v2/${repository}/blobs/${blob.digest}`);
    if (found.status === 200) return;
    const upload = await call(repository, 'POST', `/v2/${repository}/blobs/uploads/`);
    expect(upload, 202, `upload to ${repository}`);
    const location = new URL(String(upload.headers['location']), 'http://registry');
    location.searchParams.set('digest', blob.digest);
    const reply = await call(repository, 'PUT', `${location.pathname}${location.search}`, {
      headers: { 'content-length': blob.sizeBytes, 'content-type': 'application/octet-stream' },
      body: blob.open(),
    });
    expect(reply, 201, `upload of ${blob.digest} to ${repository}`);
  };
  const pushManifest = async (repository: string, reference: string, manifest: ImageBlob) => {
    const reply = await call(repository, 'PUT', `/v2/${repository}/manifests/${reference}`, {
      headers: { 'content-length': manifest.sizeBytes, 'content-type': manifest.mediaType },
      body: manifest.open(),
    });
    expect(reply, 201, `manifest ${reference} of ${repository}`);
  };

  return {
    async push(image, repository, tag) {
      const blobs = listBlobs(image);
      for (const blob of blobs) await pushBlob(repository, blob);
      for (const member of listPlatformImages(image)) {
        await pushManifest(repository, member.manifest.digest, member.manifest);
      }
      await pushManifest(repository, tag ?? image.manifest.digest, image.manifest);
      return {
        digest: image.manifest.digest,
        sizeBytes: blobs.reduce((total, blob) => total + blob.sizeBytes, 0),
      };
    },

    async tag(repository, reference, tag) {
      const found = await call(repository, 'GET', `/v2/${repository}/manifests/${reference}`);
      expect(found, 200, `${repository}:${reference}`);
      await pushManifest(repository, tag, {
        mediaType: String(found.headers['content-type']),
        digest: String(found.headers['docker-content-digest']),
        sizeBytes: found.body.length,
        open: () => Readable.from([found.body], { objectMode: false }),
      });
    },

    async resolve(repository, tag) {
      const found = await call(repository, 'HEAD', `/v2/${repository}/manifests/${tag}`);
      return found.status === 200 ? String(found.headers['docker-content-digest']) : undefined;
    },

    // The registry's API has no such call; a tag is a folder.
    deleteTag: (repository, tag) =>
      rm(join(root, 'repositories', repository, '_manifests/tags', tag), { recursive: true }),

    async deleteManifest(repository, digest) {
      const reply = await call(repository, 'DELETE', `/v2/${repository}/manifests/${digest}`);
      expect(reply, 202, `removal of ${digest} from ${repository}`);
    },

    deleteRepository: (repository) => rm(join(root, 'repositories', repository), { recursive: true }),

    deleteBlob(digest) {
      const hex = digest.replace('sha256:', '');
      return rm(join(root, 'blobs/sha256', hex.slice(0, 2), hex, 'data'));
    },
  };
}
