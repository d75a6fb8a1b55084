import type { Problem } from '#contract/desired-references';
import { formatPath } from '#contract/findings';
import type { ImageSpec } from '#core/desired-state';
import { formatPlatform } from '#core/platform';
import { formatReference, formatRepository, formatTagged } from '#core/reference';
import type { Reference } from '#core/reference';

/** An entry's claim on a name in the engine, which can point at one image only. */
export interface Claim {
  /** `host/repository:tag` or `host/repository@sha256:…`. */
  readonly localName: string;
  /** What the name is to point at. */
  readonly content: string;
  /** The entry that claims it. */
  readonly owner: string;
  /** The property that claims it, as a path from the entry. */
  readonly path: readonly PropertyKey[];
}

/** All names in the engine that an entry wants for its image. */
export function listClaims(owner: string, { reference, platform, tagAs }: ImageSpec): readonly Claim[] {
  const { registry, repository, digest } = reference;
  const pulled = formatReference({ registry, repository, ...toContentPart(reference) });
  const content = platform === undefined ? pulled : `${pulled} for ${formatPlatform(platform)}`;
  const claim = (localName: string, path: readonly PropertyKey[]): Claim => ({
    localName,
    content,
    owner,
    path,
  });
  const tagged = formatTagged(reference);
  return [
    ...(tagged === undefined ? [] : [claim(tagged, ['image'])]),
    ...(digest === undefined ? [] : [claim(`${formatRepository(reference)}@${digest}`, ['image'])]),
    ...tagAs.map((further, index) => claim(formatReference(further), ['tagAs', index])),
  ];
}

/** What decides on the content: the digest where there is one, else the tag. */
function toContentPart({ tag, digest }: Reference): Pick<Reference, 'tag' | 'digest'> {
  if (digest !== undefined) return { digest };
  return tag === undefined ? {} : { tag };
}

/** The first of `claims` that points a name elsewhere than `claimed` does already; undefined where all agree. */
export function findClash(
  claims: readonly Claim[],
  claimed: ReadonlyMap<string, Claim>,
): Problem | undefined {
  for (const { localName, content, path } of claims) {
    const other = claimed.get(localName);
    if (other !== undefined && other.content !== content) {
      const owner = formatPath('images', other.owner);
      return { path, message: `${localName} is wanted by ${owner} too, for another image or platform` };
    }
  }
  return undefined;
}
