import { toJsonBytes } from '#core/json-size';
import type { JsonObject } from '#core/merge-patch';

type Entries = readonly (readonly [string, JsonObject])[];

/** What `GetStatus` answers page by page, in name order. */
export interface Paged {
  readonly registries: Entries;
  readonly images: Entries;
}

/** What fits into one answer. */
export interface StatusPage {
  readonly registries: JsonObject;
  readonly images: JsonObject;
  /** To go on after; absent on the last page. */
  readonly next?: string;
}

/** Before the name of a registry in `next`; no image has such a name. */
const REGISTRY = 'registry/';

/** More registries than fit into this come on pages of their own, before the images; fewer stand on every page. */
const MAX_REGISTRIES_BYTES = 45_000;

/** The page that follows `after`, the `next` of the page before; the first one without. */
export function toPage({ registries, images }: Paged, after = '', maxBytes: number): StatusPage {
  const sizeBytes = toJsonBytes(Object.fromEntries(registries));
  if (sizeBytes <= MAX_REGISTRIES_BYTES) {
    // They may have been more on the page before.
    const isFirst = after.startsWith(REGISTRY);
    const page = takeWithin(isFirst ? images : toFollowing(images, after), maxBytes - sizeBytes);
    return {
      registries: Object.fromEntries(registries),
      images: Object.fromEntries(page.taken),
      ...toNext('', page),
    };
  }
  const isAmongRegistries = after === '' || after.startsWith(REGISTRY);
  const left = isAmongRegistries ? toFollowing(registries, after.slice(REGISTRY.length)) : [];
  if (left.length > 0) {
    const page = takeWithin(left, maxBytes);
    const isLast = !page.hasMore && images.length === 0;
    const next = isLast ? {} : toNext(REGISTRY, { ...page, hasMore: true });
    return { registries: Object.fromEntries(page.taken), images: {}, ...next };
  }
  const page = takeWithin(isAmongRegistries ? images : toFollowing(images, after), maxBytes);
  return { registries: {}, images: Object.fromEntries(page.taken), ...toNext('', page) };
}

const toFollowing = (entries: Entries, after: string): Entries => entries.filter(([name]) => name > after);

interface Run {
  readonly taken: Entries;
  readonly hasMore: boolean;
}

/** The longest run from the front that fits; one entry at least. */
function takeWithin(entries: Entries, maxBytes: number): Run {
  const taken: (readonly [string, JsonObject])[] = [];
  let sizeBytes = 0;
  for (const entry of entries) {
    sizeBytes += toJsonBytes(entry);
    if (sizeBytes > maxBytes && taken.length > 0) break;
    taken.push(entry);
  }
  return { taken, hasMore: taken.length < entries.length };
}

function toNext(prefix: string, { taken, hasMore }: Run): Pick<StatusPage, 'next'> {
  const last = taken.at(-1)?.[0];
  return last !== undefined && hasMore ? { next: prefix + last } : {};
}
