/** Bytes in memory by their digest, with what was served with them. */
export interface KeptManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Manifests and image configurations that were asked for lately, within a limit. */
export interface KeptManifests {
  get(digest: string): KeptManifest | undefined;
  /** One that is larger than a quarter of the limit is not kept. */
  add(manifest: KeptManifest): void;
}

/** @param maxBytes - of all together: the one that was asked for longest ago goes first */
export function createKeptManifests(maxBytes: number): KeptManifests {
  // In the order of use.
  const kept = new Map<string, KeptManifest>();
  let totalBytes = 0;

  function drop(digest: string): void {
    totalBytes -= kept.get(digest)?.bytes.length ?? 0;
    kept.delete(digest);
  }

  return {
    get(digest) {
      const found = kept.get(digest);
      if (found !== undefined) {
        kept.delete(digest);
        kept.set(digest, found);
      }
      return found;
    },
    add(manifest) {
      drop(manifest.digest);
      if (manifest.bytes.length > maxBytes / 4) return;
      kept.set(manifest.digest, manifest);
      totalBytes += manifest.bytes.length;
      for (const digest of kept.keys()) {
        if (totalBytes <= maxBytes) return;
        drop(digest);
      }
    },
  };
}
