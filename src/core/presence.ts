import type { ImageSpec } from '#core/desired-state';
import type { ImageRecord } from '#core/image-record';
import { isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import { formatRepository, formatTagged } from '#core/reference';
import type { Reference } from '#core/reference';

/** An image as the engine's listing has it. */
export interface ListedImage {
  /** `sha256:` and 64 digits. */
  readonly id: string;
  /** `host/repository:tag`. */
  readonly tags: readonly string[];
  /** `host/repository@sha256:…`. */
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  /** What it holds, where the listing tells: in the containerd store one image may hold several platforms. */
  readonly platforms?: readonly Platform[];
}

/** One listing of the engine, for look-up by name. */
export interface ImageIndex {
  readonly byName: ReadonlyMap<string, ListedImage>;
  /** By id, those that have no name. */
  readonly nameless: ReadonlyMap<string, ListedImage>;
}

/** What the engine has, as far as images are looked up in it. */
export interface EngineContent {
  /** The engine's own. */
  readonly platform: Platform;
  readonly index: ImageIndex;
  /** Of image ids that were inspected, since the listing does not tell; an id that is not in it counts as fitting. */
  readonly platforms: ReadonlyMap<string, Platform>;
}

/** Where a desired image stands in the engine. */
export type Presence =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present';
      readonly image: ListedImage;
      /** The registry's digest of it, where the engine knows one. */
      readonly digest?: string;
      /** Names it should carry and does not. */
      readonly missingTags: readonly Reference[];
    };

/** Indexes a listing by tag and by repository digest. */
export function toImageIndex(images: readonly ListedImage[]): ImageIndex {
  const byName = new Map<string, ListedImage>();
  const nameless = new Map<string, ListedImage>();
  for (const image of images) {
    const names = [...image.tags, ...image.digests];
    for (const name of names) byName.set(name, image);
    if (names.length === 0) nameless.set(image.id, image);
  }
  return { byName, nameless };
}

/** The index after images were given these names: whatever else the engine has is as it was listed. */
export function withNames(index: ImageIndex, named: readonly ListedImage[]): ImageIndex {
  const byName = new Map(index.byName);
  const nameless = new Map(index.nameless);
  for (const image of named) giveNames(byName, nameless, image);
  return { byName, nameless };
}

function giveNames(
  byName: Map<string, ListedImage>,
  nameless: Map<string, ListedImage>,
  { tags, digests, platforms = [], ...image }: ListedImage,
): void {
  const known = findById(image.id, { byName, nameless });
  const toHeld = (names: readonly string[] = []): string[] =>
    names.filter((name) => byName.get(name)?.id === image.id);
  const merged: ListedImage = {
    ...known,
    ...image,
    // Where the listing tells, one image may hold several, and be given one more.
    ...(known?.platforms === undefined ? {} : { platforms: [...known.platforms, ...platforms] }),
    tags: [...new Set([...toHeld(known?.tags), ...tags])],
    digests: [...new Set([...toHeld(known?.digests), ...digests])],
  };
  for (const name of [...merged.tags, ...merged.digests]) byName.set(name, merged);
  nameless.delete(image.id);
}

function findById(wanted: string, { byName, nameless }: ImageIndex): ListedImage | undefined {
  for (const image of byName.values()) if (image.id === wanted) return image;
  return nameless.get(wanted);
}

/**
 * The image under a reference, or the one that was: where its tag moved on, the containerd store keeps an image without
 * a name, and its id is the digest that the registry served.
 */
export function findNamed(reference: string, { byName, nameless }: ImageIndex): ListedImage | undefined {
  const named = byName.get(reference);
  if (named !== undefined || nameless.size === 0) return named;
  const [, digest = ''] = reference.split('@');
  return nameless.get(digest);
}

type Known = Pick<ImageRecord, 'servedDigest' | 'pulledAs'>;

/**
 * Looks a desired image up. An image on another platform than wanted is absent: it stands in the way and is pulled.
 *
 * @param known - the registry's digest as last heard, and what the last pull brought: preferred in this order where an
 *   image has several, and the latter for an image that the engine knows without a digest
 */
export function findImage(
  spec: ImageSpec,
  { index, platforms, platform: engine }: EngineContent,
  known: Known,
): Presence {
  const lookup = toLookup(spec);
  const { wanted, besides } = lookup;
  const image = index.byName.get(wanted) ?? findByTag(spec.reference, index, known);
  if (image === undefined) return ABSENT;
  if (!isFitting(image, platforms.get(image.id), engine, spec.platform)) return ABSENT;
  const { found } = lookup;
  const isSame =
    found?.image === image && found.served === known.servedDigest && found.pulledAs === known.pulledAs;
  if (isSame && besides.length === 0) return found.presence;
  const presence = toPresence(spec, image, index, known);
  lookup.found = { image, served: known.servedDigest, pulledAs: known.pulledAs, presence };
  return presence;
}

function toPresence(spec: ImageSpec, image: ListedImage, index: ImageIndex, known: Known): Presence {
  const { prefix, besides } = toLookup(spec);
  const brought = known.pulledAs?.id === image.id ? known.pulledAs.digest : undefined;
  const preferred = spec.reference.digest ?? known.servedDigest ?? brought;
  const digest = findDigest(image, prefix, preferred) ?? brought;
  const missingTags =
    besides.length === 0
      ? NO_TAGS
      : besides.filter(([name]) => index.byName.get(name)?.id !== image.id).map(([, reference]) => reference);
  return digest === undefined
    ? { kind: 'present', image, missingTags }
    : { kind: 'present', image, digest, missingTags };
}

const NO_TAGS: readonly Reference[] = [];

/** Of the digests that an image has in a repository, the preferred one or the first. */
function findDigest(
  { digests }: ListedImage,
  prefix: string,
  preferred: string | undefined,
): string | undefined {
  let first: string | undefined;
  for (const name of digests) {
    if (!name.startsWith(prefix)) continue;
    const digest = name.slice(prefix.length);
    if (digest === preferred) return digest;
    first ??= digest;
  }
  return first;
}

/** The image that a pull brought by a digest, where the engine could be given its tag alone. */
function findByTag(
  reference: Reference,
  { byName }: ImageIndex,
  { pulledAs }: Pick<ImageRecord, 'pulledAs'>,
): ListedImage | undefined {
  const image = byName.get(formatTagged(reference) ?? '');
  const isBrought = image?.id === pulledAs?.id && reference.digest === pulledAs?.digest;
  return reference.digest !== undefined && isBrought ? image : undefined;
}

/** The name that a pull gives: the engine gives an image that is pulled by digest no tag. */
export function toPulledName(reference: Reference): string {
  const { digest } = reference;
  const tagged = formatTagged(reference);
  if (digest === undefined && tagged !== undefined) return tagged;
  return `${formatRepository(reference)}@${digest ?? ''}`;
}

const ABSENT: Presence = { kind: 'absent' };

function isFitting(
  { platforms }: ListedImage,
  inspected: Platform | undefined,
  engine: Platform,
  wanted: Platform | undefined,
): boolean {
  if (platforms !== undefined) {
    return platforms.some((candidate) => isPlatformMatch(candidate, engine, wanted));
  }
  return inspected === undefined || isPlatformMatch(inspected, engine, wanted);
}

type Named = Pick<ImageSpec, 'reference' | 'tagAs'>;

/** In each pass every image is looked for: its names are put together once. */
const NAMES = new WeakMap<Named, readonly string[]>();
const LOOKUPS = new WeakMap<ImageSpec, Lookup>();

/** The names under which a desired image stands in the engine, all of them. */
export function toNames(spec: Named): readonly string[] {
  const known = NAMES.get(spec);
  if (known !== undefined) return known;
  const { reference, tagAs } = spec;
  const pinned = reference.digest === undefined ? [] : [`${formatRepository(reference)}@${reference.digest}`];
  const names = [...pinned, ...[reference, ...tagAs].flatMap((name) => formatTagged(name) ?? [])];
  NAMES.set(spec, names);
  return names;
}

/** What is looked for in a listing. */
interface Lookup {
  readonly wanted: string;
  /** Of the registry's digests: `host/repository@`. */
  readonly prefix: string;
  /** The names that it should carry besides, and what they stand for. */
  readonly besides: readonly (readonly [string, Reference])[];
  /** What was found last, and what it depends on: mostly it is found again, twice in each pass. */
  found?: {
    readonly image: ListedImage;
    readonly served: string | undefined;
    readonly pulledAs: ImageRecord['pulledAs'];
    readonly presence: Presence;
  };
}

function toLookup(spec: ImageSpec): Lookup {
  const known = LOOKUPS.get(spec);
  if (known !== undefined) return known;
  const { reference, tagAs } = spec;
  const prefix = `${formatRepository(reference)}@`;
  const isPinned = reference.digest !== undefined;
  const besides = isPinned && reference.tag !== undefined ? [withoutDigest(reference), ...tagAs] : tagAs;
  const lookup: Lookup = {
    wanted: isPinned ? `${prefix}${reference.digest}` : (formatTagged(reference) ?? ''),
    prefix,
    besides: besides.map((name) => [formatTagged(name) ?? '', name] as const),
  };
  LOOKUPS.set(spec, lookup);
  return lookup;
}

const withoutDigest = ({ digest: _digest, ...reference }: Reference): Reference => reference;
