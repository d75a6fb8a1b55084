import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';
import { isDigest } from '#core/reference';

/**
 * What registries serve for an image, in Docker's and in OCI's words.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md
 * @see https://distribution.github.io/distribution/spec/manifest-v2-2/
 */
export type Manifest = ImageManifest | ImageIndex;

/** An image for one platform. */
export interface ImageManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  /** From the bottom up. */
  readonly layers: readonly Descriptor[];
}

/** An image for several platforms. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly children: readonly Child[];
}

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** The annotation that eStargz layers have of their unpacked size, as it stands there. */
  readonly unpackedSize?: string;
}

export interface Child extends Descriptor {
  /** Absent where the index does not say. */
  readonly platform?: Platform;
}

/** What of an image configuration counts here. */
export interface ImageConfig {
  readonly platform: Platform;
  /** Of the unpacked layers, from the bottom up. */
  readonly diffIds: readonly string[];
}

const KINDS: ReadonlyMap<string, Manifest['kind']> = new Map([
  ['application/vnd.docker.distribution.manifest.v2+json', 'image'],
  ['application/vnd.oci.image.manifest.v1+json', 'image'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ['application/vnd.oci.image.index.v1+json', 'index'],
]);

/**
 * Of image configurations, those that old tools got wrong included; other things that registries hold have other ones.
 *
 * @see https://github.com/moby/moby/blob/v28.5.2/distribution/registry.go
 */
const CONFIG_MEDIA_TYPES = new Set([
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.oci.image.config.v1+json',
  'application/octet-stream',
  'application/json',
  'text/html',
  '',
]);

/** @see https://github.com/containerd/stargz-snapshotter/blob/v0.16.3/estargz/types.go */
const UNPACKED_SIZE = 'io.containers.estargz.uncompressed-size';

/** More layers than any engine takes. */
const MAX_ENTRIES = 1000;
/** Of a thousand entries with all that they may have: each takes many times the bytes in memory that it has in the text. */
const MAX_VALUES = 50_000;
/** Real ones have some ten characters; what platforms images are for is remembered. */
const MAX_PLATFORM_LENGTH = 64;
const UNKNOWN: Platform = { os: 'unknown', architecture: 'unknown' };

/**
 * Reads a manifest or an index.
 *
 * @param mediaType - as the registry served it
 * @throws AgentError `RegistryError` for what is neither, or not well formed
 */
export function parseManifest(text: string, mediaType: string): Manifest {
  const kind = parseKind(mediaType);
  const fields = parseObject(text, 'manifest');
  if (kind === 'index') return { kind, children: toList(fields['manifests'], 'manifests').map(toChild) };
  return {
    kind,
    config: toDescriptor(fields['config'], 'config'),
    layers: toList(fields['layers'], 'layers').map((entry) => toDescriptor(entry, 'layers')),
  };
}

/**
 * What something is by its media type.
 *
 * @throws AgentError `RegistryError` where that is of no manifest that engines pull
 */
export function parseKind(mediaType: string): Manifest['kind'] {
  const type = toMediaType(mediaType);
  const kind = KINDS.get(type);
  if (kind !== undefined) return kind;
  const words = shown(type);
  const what = /html/.test(type)
    ? `what the registry served is of type ${words}, and no manifest of an image`
    : `the manifest is of type ${words || 'nothing'}, which no engine of today pulls: push the image again with a current tool (docker push, az acr import)`;
  throw new AgentError('RegistryError', what, { quoted: [words] });
}

/** A media type without its parameters. */
export function toMediaType(header: string): string {
  return header.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/**
 * Reads an image configuration.
 *
 * @throws AgentError `RegistryError` for what is none, or not well formed
 */
export function parseImageConfig(text: string): ImageConfig {
  const fields = parseObject(text, 'image configuration');
  const diffIds = toList(toFields(fields['rootfs'])['diff_ids'], 'rootfs.diff_ids');
  const platform = toPlatform(fields);
  if (platform === undefined) throw malformed('image configuration', 'os and architecture');
  return {
    platform,
    diffIds: diffIds.map((diffId) => {
      if (typeof diffId !== 'string' || !isDigest(diffId)) throw malformed('image configuration', 'diff_ids');
      return diffId;
    }),
  };
}

/**
 * @throws AgentError `RegistryError` where a manifest is not of a container image: charts, signatures and other artifacts
 *   are kept in registries too
 */
export function requireImage({ config }: ImageManifest): void {
  if (CONFIG_MEDIA_TYPES.has(config.mediaType)) return;
  const type = shown(config.mediaType);
  throw new AgentError(
    'RegistryError',
    `what is there is no container image (its configuration is of type ${type}): name the image’s own repository and tag`,
    { quoted: [type] },
  );
}

function toChild(entry: unknown): Child {
  const platform = toPlatform(toFields(toFields(entry)['platform']));
  return { ...toDescriptor(entry, 'manifests'), ...(platform === undefined ? {} : { platform }) };
}

function toPlatform({ os, architecture, variant }: Fields): Platform | undefined {
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  if (os === '' || architecture === '') return undefined;
  const names = [os, architecture, typeof variant === 'string' ? variant : ''];
  if (names.some(({ length }) => length > MAX_PLATFORM_LENGTH)) return UNKNOWN;
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) };
}

function toDescriptor(entry: unknown, part: string): Descriptor {
  const { mediaType, digest, size, annotations } = toFields(entry);
  if (typeof digest !== 'string' || !isDigest(digest)) throw malformed('manifest', `digests in ${part}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw malformed('manifest', `sizes in ${part}`);
  }
  const unpackedSize = toFields(annotations)[UNPACKED_SIZE];
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    sizeBytes: size,
    ...(typeof unpackedSize === 'string' ? { unpackedSize } : {}),
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** Own fields only: text of others must not reach a prototype. */
const toFields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

function toList(value: unknown, part: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > MAX_ENTRIES) throw malformed('manifest', part);
  return value;
}

function parseObject(text: string, what: string): Fields {
  if (!isModest(text)) throw malformed(what, 'number of values');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(what, 'JSON');
  }
  return toFields(value);
}

const [QUOTE, BACKSLASH] = ['"', '\\'].map((character) => character.charCodeAt(0));
const BEFORE_VALUES = new Set(['{', '[', ','].map((character) => character.charCodeAt(0)));

/** Whether a text of JSON has few enough objects, lists and members to be read. What strings hold does not count. */
function isModest(text: string): boolean {
  let values = 0;
  let isString = false;
  for (let at = 0; at < text.length && values <= MAX_VALUES; at += 1) {
    const code = text.charCodeAt(at);
    // The next one stands for itself.
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) isString = !isString;
    else if (!isString && BEFORE_VALUES.has(code)) values += 1;
  }
  return values <= MAX_VALUES;
}

const malformed = (what: string, part: string): AgentError =>
  new AgentError('RegistryError', `the ${what} has no proper ${part}: have the image pushed again`);

/** Foreign text, cut to a length that fits into a message. */
export const shown = (text: string): string => {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ');
  return line.length <= 200 ? line : `${line.slice(0, 199).toWellFormed()}…`;
};
