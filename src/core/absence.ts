import { findNamed } from '#core/presence';
import type { ImageIndex } from '#core/presence';
import { toRepository } from '#core/reference';

/** Names that a listing of the engine does not have. */
export interface Absence {
  /** The image is not there. */
  readonly gone: readonly string[];
  /** The image may be there all the same, and be listed again later. */
  readonly unclear: readonly string[];
}

/**
 * Judges by one listing which names the engine has lost.
 *
 * A pull moves the tag in the containerd store first, then unpacks, then says that it is done, and only then gives the
 * image before it a nameless entry. Until then no listing has that image, whoever pulls; that its tag is another image's
 * is all that tells. An image that another name holds is there for the whole of that time and after, without the digest
 * of this repository; that is its id.
 *
 * @see https://github.com/moby/moby/blob/v28.5.2/daemon/containerd/image_pull.go
 * @param names - `host/repository:tag` or `host/repository@sha256:…`
 */
export function findAbsence(names: Iterable<string>, index: ImageIndex): Absence {
  const missing = [...names].filter((name) => findNamed(name, index) === undefined);
  if (missing.length === 0) return { gone: [], unclear: [] };
  const ids = new Set(Array.from(index.byName.values(), ({ id }) => id));
  const tags = [...index.byName.keys()].filter((name) => toDigest(name) === undefined);
  const tagged = new Set(tags.map(toRepository));
  const gone: string[] = [];
  const unclear: string[] = [];
  for (const name of missing) {
    const digest = toDigest(name);
    if (digest !== undefined && ids.has(digest)) continue;
    if (digest !== undefined && tagged.has(toRepository(name))) unclear.push(name);
    else gone.push(name);
  }
  return { gone, unclear };
}

const toDigest = (name: string): string | undefined => name.split('@')[1];
