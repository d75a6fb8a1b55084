/** Bytes by their digest, with the media type that they were served with. */
export interface KeptManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** What one repository served. */
export interface RepositoryManifests {
  get(digest: string): KeptManifest | undefined;
  /** One that is larger than a quarter of the limit is not kept. */
  add(manifest: KeptManifest): void;
}

/** Manifests and image configurations that were asked for lately, in memory, within a limit. */
export interface KeptManifests {
  /**
   * Those of one repository: another may not have the same, or not for everybody.
   *
   * @param repository - with its registry's address
   */
  of(repository: string): RepositoryManifests;
}

/** @param maxBytes - of all together: the one that was asked for longest ago goes first */
export function createKeptManifests(maxBytes: number): KeptManifests {
  // In the order of use.
  const kept = new Map<string, KeptManifest>();
  let totalBytes = 0;

  function drop(key: string): void {
    totalBytes -= kept.get(key)?.bytes.length ?? 0;
    kept.delete(key);
  }

  return {
    of(repository) {
      const toKey = (digest: string): string => `${repository}@${digest}`;
      return {
        get(digest) {
          const key = toKey(digest);
          const found = kept.get(key);
          if (found !== undefined) {
            kept.delete(key);
            kept.set(key, found);
          }
          return found;
        },
        add(manifest) {
          const added = toKey(manifest.digest);
          drop(added);
          if (manifest.bytes.length > maxBytes / 4) return;
          kept.set(added, manifest);
          totalBytes += manifest.bytes.length;
          for (const key of kept.keys()) {
            if (totalBytes <= maxBytes) return;
            drop(key);
          }
        },
      };
    },
  };
}
