import type { DesiredState, ImageSpec } from '#core/desired-state';
import type { KnownContent } from '#core/image-content';
import * as record from '#core/image-record';
import type { ImageRecord, Moment } from '#core/image-record';
import { findImage } from '#core/presence';
import { OPEN, toAloneUntilMs } from '#core/opening';
import { withTimes } from '#core/places';
import type { PullTimes, RecentTimes } from '#core/places';
import type { RegistryAccess } from '#core/registry-access';
import { loginDemanded, shiftedRegistry, toCredential, toRegistryRecord } from '#core/registry-record';
import type { RegistryRecord } from '#core/registry-record';
import type { Claim, EngineView } from '#core/world';

/**
 * What the agent remembers, and how each event changes it. Records are values; the book holds the current ones.
 */
export interface Book {
  desired: DesiredState | undefined;
  /** Counts the changes of the desired properties. */
  generation: number;
  /** Of the desired images without fault. */
  readonly images: Map<string, ImageRecord>;
  /** Of those whose entry is at fault now: they count again when it is mended. */
  readonly shelved: Map<string, ImageRecord>;
  readonly registries: Map<string, RegistryRecord>;
  /** References that this module pulled or tagged, and the name that each was listed under. */
  readonly owned: Map<string, string>;
  /** Of owned references that are not listed and may be there all the same: since when, by the steady clock. */
  readonly unclearSinceMs: Map<string, number>;
  /** References that the pulls in flight bring. */
  readonly claimed: Map<string, Claim>;
  /** The same, of the pulls that were in flight when the module was killed, until the engine is seen. */
  readonly inherited: Map<string, Claim>;
  readonly stalledAddresses: Set<string>;
  /** What the last pulls since the desired properties changed took, by the address of the registry. */
  readonly times: Map<string, RecentTimes>;
  /** How far registries are begun with, by address: since the desired properties changed. */
  readonly openings: Map<string, number>;
  /** What images hold that are to be pulled, by name, where that was asked. */
  readonly contents: Map<string, KnownContent>;
}

export function createBook(): Book {
  return {
    desired: undefined,
    generation: 0,
    images: new Map(),
    shelved: new Map(),
    registries: new Map(),
    owned: new Map(),
    unclearSinceMs: new Map(),
    claimed: new Map(),
    inherited: new Map(),
    stalledAddresses: new Set(),
    times: new Map(),
    openings: new Map(),
    contents: new Map(),
  };
}

/**
 * Takes a desired document over. Where it changed, whatever failed is tried again at once; one that is the same again
 * (as remembered, or as it was before a restart) changes nothing.
 */
export function takeDesired(book: Book, desired: DesiredState, nowMs: number, isChanged = true): void {
  book.desired = desired;
  if (isChanged) {
    book.generation += 1;
    book.openings.clear();
    book.times.clear();
  }
  const images = new Map<string, ImageRecord>();
  const shelved = new Map<string, ImageRecord>();
  const latestMs = nowMs + desired.settings.retryMaxSeconds * 1000;
  for (const image of desired.images.values()) {
    const before = book.images.get(image.name) ?? book.shelved.get(image.name);
    if (image.kind === 'fault') {
      if (before !== undefined) shelved.set(image.name, record.settled(before, false));
      continue;
    }
    const kept = record.toRecord(before, image.spec, isChanged);
    images.set(image.name, record.retriedBy(kept, latestMs));
  }
  replaceAll(book.images, images);
  replaceAll(book.shelved, shelved);
  for (const [name, { key }] of book.contents) if (images.get(name)?.key !== key) book.contents.delete(name);
  const registries = new Map<string, RegistryRecord>();
  for (const [name, registry] of desired.registries) {
    const registryRecord = toRegistryRecord(book.registries.get(name), registry);
    registries.set(name, isChanged ? loginDemanded(registryRecord, nowMs) : registryRecord);
  }
  replaceAll(book.registries, registries);
}

/** An image that was there and is not any more. */
export interface Evicted {
  readonly name: string;
  readonly digest: string | undefined;
}

/** Compares the records with what the engine has: what came, what went, what healed. */
export function takeObservation(
  book: Book,
  view: EngineView,
  pulling: ReadonlyMap<string, unknown>,
  moment: Moment,
): readonly Evicted[] {
  const evicted: Evicted[] = [];
  if (view.kind === 'unavailable') return evicted;
  for (const image of book.desired?.images.values() ?? []) {
    const { name } = image;
    const before = book.images.get(name);
    if (image.kind === 'fault' || before === undefined || pulling.has(name)) continue;
    const presence = findImage(image.spec, view, before);
    if (presence.kind === 'absent') {
      if (before.seen === undefined) continue;
      evicted.push({ name, digest: before.seen.digest });
      book.images.set(name, record.vanished(before, moment));
      continue;
    }
    const { digest, image: listed } = presence;
    const found = digest === undefined ? { id: listed.id } : { digest };
    const after = record.seen(before, found, moment.nowMs);
    const isServed = after.servedDigest === undefined || after.servedDigest === digest;
    const isWanted = isServed && after.isRequested !== true;
    book.images.set(name, isWanted && presence.missingTags.length === 0 ? record.healed(after) : after);
  }
  return evicted;
}

/** The engine answers again: what failed for want of it is tried at once. */
export function takeEngineBack(book: Book, nowMs: number): void {
  updateAll(book, ({ failure }) => failure?.reason === 'EngineUnavailable', record.cleared);
  for (const [name, { login }] of book.registries) {
    if (login.kind === 'failed' && login.reason === 'EngineUnavailable') demandLogin(book, name, nowMs);
  }
}

/** Has a login that failed tried again now. */
export function demandLogin(book: Book, registry: string, nowMs: number): void {
  const before = book.registries.get(registry);
  if (before !== undefined) book.registries.set(registry, loginDemanded(before, nowMs));
}

/** The machine's clock was set: what is to happen in ten minutes still does. What is past keeps its date. */
export function shiftTimes(book: Book, byMs: number): void {
  updateAll(
    book,
    () => true,
    (image) => record.shifted(image, byMs),
  );
  for (const [name, image] of book.shelved) book.shelved.set(name, record.shifted(image, byMs));
  for (const [name, registry] of book.registries) book.registries.set(name, shiftedRegistry(registry, byMs));
  for (const [address, untilMs] of book.openings) {
    if (untilMs !== OPEN) book.openings.set(address, untilMs + byMs);
  }
}

/** The specification of a desired image without fault. */
export function toSpec(book: Book, name: string): ImageSpec | undefined {
  const image = book.desired?.images.get(name);
  return image?.kind === 'image' ? image.spec : undefined;
}

/** A registry is asked for an image. @returns whether that is the first question, and others wait for its answer */
export function takeAsked(book: Book, address: string, { nowMs, random }: Moment): boolean {
  if (book.openings.has(address)) return false;
  book.openings.set(address, toAloneUntilMs(nowMs, random));
  return true;
}

/** A registry answered, whatever it said. @returns whether others wait for that */
export function takeHeard(book: Book, address: string): boolean {
  if (book.openings.get(address) === OPEN) return false;
  book.openings.set(address, OPEN);
  return true;
}

/** A pull has ended well. @param times - absent where they say nothing of the registry */
export function takeTimes(book: Book, address: string, times: PullTimes | undefined): void {
  if (times === undefined) return;
  book.times.set(address, withTimes(book.times.get(address) ?? [], times));
}

/** A question ended: where there was no answer yet, the next one goes alone too. */
export function takeUnheard(book: Book, address: string): void {
  if (book.openings.get(address) !== OPEN) book.openings.delete(address);
}

/** How to speak to an image's registry; a pull from one that is not listed is anonymous. */
export function toAccess(
  { registries }: Pick<Book, 'registries'>,
  { reference, registry }: Pick<ImageSpec, 'reference' | 'registry'>,
): RegistryAccess {
  const address = reference.registry;
  const record = registry === undefined ? undefined : registries.get(registry);
  if (record === undefined) return { address, credential: undefined };
  return { address, credential: toCredential(record), ca: record.registry.ca };
}

/** Changes the records of the desired images that are meant. */
export function updateAll(
  book: Book,
  isMeant: (image: ImageRecord, spec: ImageSpec) => boolean,
  change: (image: ImageRecord) => ImageRecord,
): void {
  for (const [name, spec] of toSpecs(book)) {
    const before = book.images.get(name);
    if (before !== undefined && isMeant(before, spec)) book.images.set(name, change(before));
  }
}

function* toSpecs(book: Book): Generator<[string, ImageSpec]> {
  for (const image of book.desired?.images.values() ?? []) {
    if (image.kind === 'image') yield [image.name, image.spec];
  }
}

/** Has a map of the book hold these values and no others. */
export function replaceAll<V>(map: Map<string, V>, values: ReadonlyMap<string, V>): void {
  map.clear();
  for (const [key, value] of values) map.set(key, value);
}
