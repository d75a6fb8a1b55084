import { replaceAll } from '#agent/book';
import type { Book } from '#agent/book';
import { findAbsence } from '#core/absence';
import type { ImageIndex } from '#core/presence';
import { toRepository } from '#core/reference';

/** To unpack the image that took a tag over may take a slow device this long; for that time the one before is not listed. */
const UNCLEAR_MS = 60 * 60_000;

/** Remembers references that this module brought for an image: they are its to clean up. */
export function own(book: Book, name: string, references: Iterable<string>): void {
  for (const reference of references) book.owned.set(reference, name);
}

/** What pulls brought whose end the module did not live to see is its own too: the reference is another image's now. */
export function settleInherited(book: Book, { byName }: ImageIndex): void {
  for (const [reference, { name, idBefore }] of book.inherited) {
    const image = byName.get(reference);
    if (image === undefined || image.id === idBefore) continue;
    const repository = `${toRepository(reference)}@`;
    own(book, name, [reference, ...image.digests.filter((digest) => digest.startsWith(repository))]);
  }
  book.inherited.clear();
}

/**
 * What is gone from the engine is no more this module's: should it come back, somebody else brought it. Names that a
 * pull in flight may move wait for its end.
 */
export function disown(book: Book, index: ImageIndex, steadyMs: number): void {
  const moving = new Set(Array.from(book.claimed.keys(), toRepository));
  const { gone, unclear } = findAbsence(book.owned.keys(), index);
  const unclearSince = new Map(unclear.map((name) => [name, book.unclearSinceMs.get(name) ?? steadyMs]));
  replaceAll(book.unclearSinceMs, unclearSince);
  const overdue = unclear.filter((name) => steadyMs - (unclearSince.get(name) ?? steadyMs) >= UNCLEAR_MS);
  for (const reference of [...gone, ...overdue]) {
    if (!moving.has(toRepository(reference))) book.owned.delete(reference);
  }
}
