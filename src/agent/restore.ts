import type { Book } from '#agent/book';
import type { ImageRecord } from '#core/image-record';
import { formatReference } from '#core/reference';
import type { Summary } from '#core/status';

type Reported = Readonly<Record<string, unknown>>;

/**
 * Takes over from the twin what the module itself reported before it was restarted, so that times and counts go on:
 * when an image was pulled, how often it vanished. What does not fit is left out.
 */
export function restoreRecords(reported: Reported, book: Book): void {
  const images = toObject(reported['images']);
  for (const image of book.desired?.images.values() ?? []) {
    const record = book.images.get(image.name);
    if (image.kind === 'fault' || record === undefined) continue;
    const entry = toObject(images[image.name]);
    if (entry['image'] !== formatReference(image.spec.reference)) continue;
    const evictions = entry['evictions'];
    const seen = toSeen(entry);
    book.images.set(image.name, {
      ...record,
      ...(typeof evictions === 'number' && Number.isSafeInteger(evictions) ? { evictions } : {}),
      ...(seen === undefined ? {} : { seen }),
    });
  }
}

/**
 * An entry has its digest where the image was there, unless the engine knows none: by what it knows the image is not
 * reported. Its date may have been cut.
 */
function toSeen({ phase, digest, pulledAt, transport }: Reported): ImageRecord['seen'] {
  if (typeof digest !== 'string' && phase !== 'Pulled') return undefined;
  const sinceMs = toTimeMs(pulledAt);
  return {
    ...(typeof digest === 'string' ? { digest } : {}),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(transport === 'relay' ? { transport } : {}),
  };
}

/** Since when a set was reported as ready, and which. */
export function toFormerReady(reported: Reported): Summary['ready'] {
  const { readyAt, setDigest } = toObject(reported['summary']);
  const atMs = toTimeMs(readyAt);
  return atMs === undefined || typeof setDigest !== 'string' ? undefined : { atMs, setDigest };
}

const toObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

function toTimeMs(value: unknown): number | undefined {
  const atMs = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(atMs) ? undefined : atMs;
}
