import { demandLogin, toSpec } from '#agent/book';
import type { Book } from '#agent/book';
import * as record from '#core/image-record';

/** What methods ask for, and how it changes the book. */

/** Asks for images now, whatever the backoff; their registry's login is tried again with them. */
export function demand(book: Book, names: readonly string[], force: boolean, nowMs: number): void {
  for (const name of names) {
    const before = book.images.get(name);
    if (before === undefined) continue;
    book.images.set(name, record.demanded(before, force));
    forgetAsked(book, name);
    const registry = toSpec(book, name)?.registry;
    if (registry !== undefined) demandLogin(book, registry, nowMs);
  }
}

/** Whoever asks is to get what the image holds from then on. What came of it stays wanted until that is known. */
function forgetAsked(book: Book, name: string): void {
  const known = book.contents.get(name);
  if (known === undefined) return;
  const { asked: _asked, ...content } = known;
  book.contents.set(name, content);
}

/** Settles demands that the plan found to have nothing left to do. */
export function settleDemands(book: Book, settled: ReadonlyMap<string, boolean>): void {
  for (const [name, isMet] of settled) {
    const before = book.images.get(name);
    if (before !== undefined) book.images.set(name, record.settled(before, isMet));
  }
}

/** Cancels images until desired changes or they are demanded. */
export function cancel(book: Book, names: readonly string[]): void {
  for (const name of names) {
    const before = book.images.get(name);
    if (before !== undefined) book.images.set(name, record.cancelled(before));
  }
}
