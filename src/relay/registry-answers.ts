import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { parseKind, toMediaType } from '#core/manifest';
import { AgentError } from '#core/reason';
import { isDigest } from '#core/reference';

/**
 * The kinds of manifests: of images and of lists of them, in both families.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md
 */
const MANIFEST_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/** The header by which a manifest is asked for. */
export const ACCEPT = { accept: MANIFEST_TYPES.join(', ') };

/** Whether only a registry answers `/v2/` so. */
export function isRegistry({ headers }: IncomingMessage): boolean {
  return (
    headers['docker-distribution-api-version'] !== undefined ||
    headers['www-authenticate'] !== undefined ||
    /json/.test(headers['content-type'] ?? '')
  );
}

interface Head {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

/** What the headers say of a manifest; undefined where they do not say enough. */
export function toManifestHead(headers: IncomingHttpHeaders): Head | undefined {
  const digest = headers['docker-content-digest'];
  const sizeBytes = Number(headers['content-length'] ?? Number.NaN);
  const mediaType = toMediaType(headers['content-type'] ?? '');
  const isGood = typeof digest === 'string' && isDigest(digest) && MANIFEST_TYPES.includes(mediaType);
  return isGood && sizeBytes > 0 ? { digest, mediaType, sizeBytes } : undefined;
}

interface Asked {
  readonly tagOrDigest: string;
  /** For what is said of it. */
  readonly subject: string;
}

interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/**
 * The manifest that an answer holds.
 *
 * @throws an AgentError where it is another than its digest says, or no manifest that engines pull
 */
export function toManifest(headers: IncomingHttpHeaders, bytes: Uint8Array, asked: Asked): Manifest {
  const mediaType = toMediaType(headers['content-type'] ?? '');
  parseKind(mediaType);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const named = headers['docker-content-digest'];
  const wanted = isDigest(asked.tagOrDigest) ? asked.tagOrDigest : (named ?? digest);
  if (wanted === digest) return { digest, mediaType, bytes };
  // A header may hold anything.
  const told =
    typeof wanted === 'string' && isDigest(wanted)
      ? `in the place of ${wanted}`
      : 'and told a Docker-Content-Digest that is none';
  throw new AgentError('DigestMismatch', `${asked.subject}: the registry served ${digest} ${told}`);
}

/** Where a body begins and how long the whole is; undefined where that is not what was asked for. */
export function toPlace(
  { statusCode, headers }: IncomingMessage,
  askedByte: number,
): { readonly fromByte: number; readonly totalBytes: number | undefined } | undefined {
  if (statusCode === 200) return { fromByte: 0, totalBytes: toCount(headers['content-length']) };
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  if (statusCode !== 206 || Number(from) !== askedByte) return undefined;
  return { fromByte: askedByte, totalBytes: toCount(total) };
}

function toCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
