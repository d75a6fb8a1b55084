/** An image that a stand-in engine holds; of its layers nothing but their number of bytes. */
export interface HeldImage {
  readonly id: string;
  readonly sizeBytes: number;
  readonly os: string;
  readonly architecture: string;
}

/** Names and images, with Docker's rules for which goes with which. */
export interface ImageStore {
  /** Gives names to an image, taking them from whichever had them. */
  give(image: HeldImage, names: readonly string[]): void;
  /** By id or name. */
  find(idOrName: string): { readonly image: HeldImage; readonly names: ReadonlySet<string> } | undefined;
  list(): Iterable<{ readonly image: HeldImage; readonly names: ReadonlySet<string> }>;
  /** The names that would go with this one, or all of them where it is an id. */
  goneWith(idOrName: string): readonly string[];
  take(names: readonly string[], id: string): void;
}

/** Makes a store without images. */
export function createImageStore(onChange: () => void): ImageStore {
  const held = new Map<string, { readonly image: HeldImage; readonly names: Set<string> }>();
  const byName = new Map<string, string>();
  const find: ImageStore['find'] = (idOrName) => held.get(byName.get(idOrName) ?? idOrName);
  return {
    find,
    list: () => held.values(),
    give(image, names) {
      const entry = held.get(image.id) ?? { image, names: new Set() };
      held.set(image.id, entry);
      for (const name of names) {
        held.get(byName.get(name) ?? '')?.names.delete(name);
        byName.set(name, image.id);
        entry.names.add(name);
      }
      onChange();
    },
    goneWith(idOrName) {
      const { names = new Set<string>() } = find(idOrName) ?? {};
      if (!byName.has(idOrName)) return [...names];
      const repository = toRepository(idOrName);
      const others = [...names].filter((name) => toRepository(name) === repository && name !== idOrName);
      const hasOtherTag = others.some((name) => !name.includes('@'));
      return idOrName.includes('@') || hasOtherTag ? [idOrName] : [idOrName, ...others];
    },
    take(names, id) {
      const entry = held.get(id);
      for (const name of names) {
        byName.delete(name);
        entry?.names.delete(name);
      }
      if (entry?.names.size === 0) held.delete(id);
      onChange();
    },
  };
}

/** `host:port/repository` of a name with a tag or a digest. */
const toRepository = (name: string): string => name.replace(/@.*|:[^/:]*$/, '');
