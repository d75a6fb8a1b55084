import type { ImageEntry } from '#contract/desired-schema';
import type { DesiredContext, ParsedRegistries } from '#contract/desired-registries';
import { formatPath } from '#contract/findings';
import type { DesiredImage, DesiredRegistry } from '#core/desired-state';
import {
  formatReference,
  InvalidReference,
  isUpstream,
  parseReference,
  resolveUpstream,
} from '#core/reference';
import type { PartialReference, Reference } from '#core/reference';
import type * as z from 'zod';

/** What `images` is read against. */
export interface ImageContext extends DesiredContext {
  readonly registries: ParsedRegistries;
}

type FaultReason = Extract<DesiredImage, { kind: 'fault' }>['reason'];

/** One thing that is wrong with an entry; the path goes on from the entry, and is empty for the entry itself. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Thrown inside the parsers of one image entry, and caught there. */
export class EntryFault extends Error {
  override readonly name = 'EntryFault';
  readonly reason: FaultReason;
  readonly problems: readonly Problem[];

  constructor(reason: FaultReason, ...problems: readonly Problem[]) {
    super(reason);
    this.reason = reason;
    this.problems = problems;
  }
}

/** Where an image is pulled from, and the listed registry whose credentials are used. */
export interface Source {
  readonly reference: Reference;
  readonly registry?: string;
}

/**
 * Finds the registry of an entry's `image`, and says `latest` where neither tag nor digest is written. A bare name
 * never falls through to Docker Hub.
 *
 * @throws EntryFault of reason `UnknownRegistry` or `InvalidImage`.
 */
export function resolveImage(
  entry: Pick<z.infer<typeof ImageEntry>, 'image' | 'registry'>,
  context: ImageContext,
): Source {
  const written = parse(entry.image, ['image']);
  const address = written.registry === undefined ? undefined : toHost(written.registry, ['image'], context);
  const registry =
    address === undefined
      ? pickRegistry(entry.registry, context)
      : matchRegistry(address, entry.registry, context);
  const { tag = written.digest === undefined ? 'latest' : undefined } = written;
  const reference = complete(
    { ...written, ...(tag === undefined ? {} : { tag }) },
    address ?? registry?.address ?? '',
    ['image'],
  );
  return registry === undefined ? { reference } : { reference, registry: registry.name };
}

/**
 * Reads one of an entry's further local names: it must say its registry, since Docker takes a bare name for one at
 * Docker Hub, and a tag.
 *
 * @throws EntryFault of reason `InvalidImage`, or `UnknownRegistry` for a `$upstream` without a parent.
 */
export function resolveTagAs(text: string, index: number, context: ImageContext): Reference {
  const path = ['tagAs', index];
  const written = parse(text, path);
  if (written.registry === undefined) {
    const message = 'must name its registry; for one at Docker Hub write docker.io/library/name:tag';
    throw new EntryFault('InvalidImage', { path, message });
  }
  if (written.tag === undefined) throw new EntryFault('InvalidImage', { path, message: 'must have a tag' });
  if (written.digest !== undefined) {
    throw new EntryFault('InvalidImage', { path, message: 'must have a tag alone, without a digest' });
  }
  return complete(written, toHost(written.registry, path, context), path);
}

/** The registry of a bare name: the one that is named, or the only one. */
function pickRegistry(name: string | undefined, { registries }: ImageContext): DesiredRegistry {
  if (name !== undefined) return getRegistry(name, ['registry'], registries);
  const names = [...registries.valid.keys(), ...registries.atFault.keys()];
  const [only, ...others] = names;
  if (only === undefined) {
    const message =
      'names no registry, and registryCredentials lists none: a bare name is never looked for at Docker Hub';
    throw new EntryFault('UnknownRegistry', { path: ['image'], message });
  }
  if (others.length > 0) {
    const message = `names no registry, and registryCredentials lists ${names.length}: set registry to one of them`;
    throw new EntryFault('UnknownRegistry', { path: ['image'], message });
  }
  return getRegistry(only, ['image'], registries);
}

/** The listed registry with a full reference's address; undefined where none is listed. */
function matchRegistry(
  address: string,
  name: string | undefined,
  { registries }: ImageContext,
): DesiredRegistry | undefined {
  const named = name === undefined ? undefined : getRegistry(name, ['registry'], registries);
  if (named !== undefined && named.address !== address) {
    const message = `names ${named.name} (${named.address}), but the image is written with ${address}: leave one of them out`;
    throw new EntryFault('InvalidImage', { path: ['registry'], message });
  }
  const listed = named ?? [...registries.valid.values()].find((registry) => registry.address === address);
  if (listed !== undefined) return listed;
  for (const [faulty, { address: itsAddress }] of registries.atFault) {
    // Pulling anonymously around an entry at fault would turn one fault into a misleading `Unauthorized`.
    if (itsAddress === address) return getRegistry(faulty, ['image'], registries);
  }
  return undefined;
}

function getRegistry(
  name: string,
  path: readonly PropertyKey[],
  { valid, atFault }: ParsedRegistries,
): DesiredRegistry {
  const registry = valid.get(name);
  if (registry !== undefined) return registry;
  const entry = formatPath('registryCredentials', name);
  const message = atFault.has(name) ? `needs ${entry}, which is at fault` : `${entry} does not exist`;
  throw new EntryFault('UnknownRegistry', { path, message });
}

function toHost(written: string, path: readonly PropertyKey[], { parentHostName }: DesiredContext): string {
  if (!isUpstream(written)) return written;
  if (parentHostName !== undefined) return resolveUpstream(written, parentHostName);
  const message = '$upstream stands for the parent device, and this device has none (IOTEDGE_PARENTHOSTNAME)';
  throw new EntryFault('UnknownRegistry', { path, message });
}

function parse(text: string, path: readonly PropertyKey[]): PartialReference {
  try {
    return parseReference(text);
  } catch (error) {
    if (!(error instanceof InvalidReference)) throw error;
    throw new EntryFault('InvalidImage', { path, message: error.message });
  }
}

/** Puts the registry in, and has the whole reference checked again: a host may be one that Docker takes for none. */
function complete(written: PartialReference, registry: string, path: readonly PropertyKey[]): Reference {
  const reference = { ...written, registry };
  const { registry: understood } = parse(formatReference(reference), path);
  if (understood === registry) return reference;
  const message = `${registry} is not a registry to Docker: write its port too`;
  throw new EntryFault('InvalidImage', { path, message });
}
