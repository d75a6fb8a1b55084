import type { InspectedImage } from '#agent/ports';
import type { ListedImage } from '#core/presence';
import { formatRepository, parseReference } from '#core/reference';

interface StoredImage {
  readonly image: Omit<InspectedImage, 'tags' | 'digests'>;
  readonly names: Set<string>;
}

/** The names and images of a pretended engine, with Docker's rules for which image goes with which name. */
export interface FakeImageStore {
  /** Puts an image under one more name, taking the name from whichever image had it. */
  assign(name: string, image: StoredImage['image']): void;
  /** Takes a name away; the digests of its repository go with the last tag, the image with the last name. */
  unassign(name: string): void;
  /** Takes an image away with all its names. */
  remove(idOrName: string): void;
  /** Whether the image would go with this name. */
  isLastName(name: string): boolean;
  /** By id or name. */
  find(idOrName: string): InspectedImage | undefined;
  list(): readonly ListedImage[];
}

/** Makes a store without images. `onChange` is called for every name that comes, moves or goes. */
export function createFakeImageStore(onChange: () => void): FakeImageStore {
  const stored = new Map<string, StoredImage>();

  const holderOf = (name: string): StoredImage | undefined =>
    stored.get(name) ?? [...stored.values()].find(({ names }) => names.has(name));

  const namesGoneWith = ({ names }: StoredImage, name: string): readonly string[] => {
    const repository = toRepository(name);
    const inRepository = [...names].filter((other) => toRepository(other) === repository);
    const hasOtherTag = inRepository.some((other) => other !== name && !isDigestName(other));
    return hasOtherTag || isDigestName(name) ? [name] : inRepository;
  };

  return {
    assign(name, image) {
      const holder = holderOf(name);
      if (holder?.image.id === image.id) return;
      // An image that loses its name to another stays, as it does in Docker.
      holder?.names.delete(name);
      const target = stored.get(image.id) ?? { image, names: new Set() };
      target.names.add(name);
      stored.set(image.id, target);
      onChange();
    },
    unassign(name) {
      const holder = holderOf(name);
      if (holder === undefined) return;
      for (const gone of namesGoneWith(holder, name)) holder.names.delete(gone);
      if (holder.names.size === 0) stored.delete(holder.image.id);
      onChange();
    },
    remove(idOrName) {
      const holder = holderOf(idOrName);
      if (holder === undefined) return;
      holder.names.clear();
      stored.delete(holder.image.id);
      onChange();
    },
    isLastName(name) {
      const holder = holderOf(name);
      return holder !== undefined && namesGoneWith(holder, name).length === holder.names.size;
    },
    find(idOrName) {
      const holder = holderOf(idOrName);
      return holder === undefined ? undefined : toInspected(holder);
    },
    list: () => [...stored.values()].map(toListed),
  };
}

const isDigestName = (name: string): boolean => name.includes('@');

/** `host/repository@sha256:…` for a tagged reference. */
export const toDigestName = (reference: string, digest: string): string =>
  `${toRepository(reference)}@${digest}`;

function toRepository(name: string): string {
  const { registry = 'docker.io', repository } = parseReference(name);
  return formatRepository({ registry, repository });
}

const toInspected = (holder: StoredImage): InspectedImage => ({
  ...toListed(holder),
  platform: holder.image.platform,
  diffIds: holder.image.diffIds,
});

const toListed = ({ image: { id, sizeBytes }, names }: StoredImage): ListedImage => ({
  id,
  sizeBytes,
  tags: [...names].filter((name) => !isDigestName(name)),
  digests: [...names].filter(isDigestName),
});
