import { demandLogin, takeHeard, toSpec, updateAll } from '#agent/book';
import type { Book } from '#agent/book';
import type { PulledImage, RemoteManifest } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import * as record from '#core/image-record';
import type { Demand, Failure, ImageRecord, Moment } from '#core/image-record';
import { isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import { FAILURES } from '#core/reason';
import type { AgentError, FailureReason } from '#core/reason';
import { isSameCredential, loggedIn } from '#core/registry-record';
import type { LoginOutcome } from '#core/registry-record';
import type { Transport } from '#core/route';
import type { CancelCause } from '#core/world';

/** How the outcome of each action changes the book. */

/** Failures that may be the registry's or the image's: a login tells which. */
const SUSPICIOUS: ReadonlySet<FailureReason> = new Set([
  'Unauthorized',
  'RegistryUnreachable',
  'RegistryUntrusted',
  'RegistryInsecure',
  'RegistryError',
]);

/** What registries call a refused password: old GitLabs know no other word for it than for a missing right. */
const REFUSALS: ReadonlySet<FailureReason> = new Set(['Unauthorized', 'AccessDenied']);

/** Failures of registries that did not answer, or would rather not have been asked. */
const SILENT: ReadonlySet<FailureReason> = new Set([
  'RegistryUnreachable',
  'RegistryError',
  'RateLimited',
  'Stalled',
  'EngineUnavailable',
]);

/** A pull ended well. */
export function takePulled(
  book: Book,
  name: string,
  pulled: PulledImage & { readonly transport: Transport },
  { begun, ...moment }: Ending,
): void {
  const spec = toSpec(book, name);
  const before = book.images.get(name);
  if (spec === undefined || before === undefined) return;
  book.stalledAddresses.delete(spec.reference.registry);
  takeHeard(book, spec.reference.registry);
  book.contents.delete(name);
  book.images.set(
    name,
    record.pulled(before, pulled, { ...moment, generation: begun.generation }, begun.record),
  );
}

/** When an attempt began: what was asked for since is still to be done, whatever becomes of it. */
export interface Beginning {
  readonly record: ImageRecord | undefined;
  /** Of the desired properties. */
  readonly generation: number;
}

/** A moment at which an attempt ends. */
export type Ending = Moment & { readonly begun: Beginning };

/** An attempt begins. */
export const toBeginning = ({ images, generation }: Book, name: string): Beginning => ({
  record: images.get(name),
  generation,
});

/** A pull was ended by the agent. */
export function takeCancelled(book: Book, name: string, cause: CancelCause, ending: Ending): void {
  const before = book.images.get(name);
  const spec = toSpec(book, name);
  if (before === undefined || spec === undefined) return;
  const { settings } = book.desired ?? {};
  if (cause === 'Stalled') book.stalledAddresses.add(spec.reference.registry);
  if (isCancelled(before)) return;
  if (cause === 'Stalled') {
    const message = `No progress for ${settings?.stallTimeoutSeconds ?? 0} s (stallTimeoutSeconds).`;
    fail(book, name, { reason: 'Stalled', message }, ending);
  } else if (cause === 'TimedOut') {
    const message = `Not done after ${settings?.pullTimeoutSeconds ?? 0} s (pullTimeoutSeconds).`;
    fail(book, name, { reason: 'TimedOut', message }, ending);
  }
}

/** An attempt failed; where something was asked for since it began, that is tried at once. */
function fail(book: Book, name: string, failure: Omit<Failure, 'retryAtMs'>, ending: Ending): void {
  const before = book.images.get(name);
  if (before === undefined) return;
  const { begun } = ending;
  const isDemanded = before.demand !== undefined && before.demand !== begun.record?.demand;
  const isOvertaken = isDemanded || book.generation !== begun.generation;
  const isRetried = FAILURES[failure.reason].retry !== 'never';
  const after = isOvertaken
    ? record.failedBefore(before, failure, ending)
    : record.failed(before, failure, ending, isRetried);
  book.images.set(name, after);
}

/** A pull, a check of an absent image, or a tagging failed. */
export function takeFailed(book: Book, name: string, error: AgentError, ending: Ending): void {
  const before = book.images.get(name);
  if (before === undefined) return;
  const { reason, message } = error;
  if (!isCancelled(before)) fail(book, name, { reason, message }, ending);
  takeWord(book, name, reason);
  suspect(book, name, reason);
}

/** The registry named the digest it serves. */
export function takeManifest(
  book: Book,
  name: string,
  { digest, platforms }: RemoteManifest,
  ending: Ending & { readonly engine: Platform | undefined },
): void {
  const { engine, begun } = ending;
  const moment = { ...ending, generation: begun.generation };
  const before = book.images.get(name);
  const spec = toSpec(book, name);
  if (before === undefined || spec === undefined) return;
  takeHeard(book, spec.reference.registry);
  if (isCancelled(before)) return;
  if (before.failure === undefined) {
    book.images.set(name, record.checked(before, digest, moment, begun.record));
    return;
  }
  const { reason, message } = before.failure;
  const isStillForeign =
    reason === 'PlatformMismatch' &&
    engine !== undefined &&
    platforms.length > 0 &&
    !platforms.some((platform) => isPlatformMatch(platform, engine, spec.platform));
  book.images.set(
    name,
    isStillForeign ? record.failed(before, { reason, message }, ending) : record.cleared(before),
  );
}

/** The registry could not say which digest it serves. */
export function takeCheckFailed(book: Book, name: string, error: AgentError, ending: Ending): void {
  const before = book.images.get(name);
  if (before === undefined) return;
  if (before.failure !== undefined) {
    takeFailed(book, name, error, ending);
    return;
  }
  const { begun } = ending;
  book.images.set(
    name,
    record.checkFailed(before, { ...ending, generation: begun.generation }, begun.record),
  );
  takeWord(book, name, error.reason);
  suspect(book, name, error.reason);
}

/** When a login began: what was asked for since is tried again at once, should it fail. */
export interface LoginBeginning {
  readonly generation: number;
  /** Of the registry's images, by name. */
  readonly demands: ReadonlyMap<string, Demand | undefined>;
}

/** A login begins. */
export const toLoginBeginning = (book: Book): LoginBeginning => ({
  generation: book.generation,
  demands: new Map([...book.images].map(([name, { demand }]) => [name, demand])),
});

/** A login ended. Another credential, or a registry that is back, frees what failed for want of it. */
export function takeLogin(
  book: Book,
  name: string,
  outcome: LoginOutcome,
  { begun, ...moment }: Moment & { readonly begun: LoginBeginning },
): void {
  const before = book.registries.get(name);
  if (before === undefined) return;
  const { login } = before;
  book.registries.set(name, loggedIn(before, outcome, moment));
  const clear = (reasons: ReadonlySet<FailureReason>): void =>
    updateAll(
      book,
      ({ failure }, spec) => spec.registry === name && failure !== undefined && reasons.has(failure.reason),
      record.cleared,
    );
  if (outcome.kind === 'failed') {
    settleWaiting(book, name, begun, moment.nowMs);
  } else if (login.kind === 'failed') {
    clear(SUSPICIOUS);
    if (login.reason === 'Unauthorized') clear(REFUSALS);
  } else if (login.kind === 'accepted' && login.credential !== outcome.credential) {
    clear(REFUSALS);
  }
}

/** Images wait for a login that failed: what was demanded of them ends with it, but for what came since it began. */
function settleWaiting(book: Book, registry: string, begun: LoginBeginning, nowMs: number): void {
  // What is being pulled waits for nothing.
  const pulling = new Set(Array.from(book.claimed.values(), ({ name }) => name));
  let isAsked = book.generation !== begun.generation;
  for (const [name, image] of book.images) {
    if (toSpec(book, name)?.registry !== registry || pulling.has(name)) continue;
    const isSince = image.demand !== undefined && image.demand !== begun.demands.get(name);
    if (isSince) isAsked = true;
    else book.images.set(name, record.settled(image, false));
  }
  if (isAsked) demandLogin(book, registry, nowMs);
}

/**
 * Whether a refusal says nothing any more: it was of a credential that is no longer listed, or has been replaced by the
 * other one. The attempt is made again with what is in force, and does not count as failed.
 */
export function isRefusalOutdated(
  book: Book,
  name: string,
  { reason }: AgentError,
  used: Credential | undefined,
): boolean {
  const registry = toSpec(book, name)?.registry;
  const known = registry === undefined ? undefined : book.registries.get(registry);
  if (known === undefined || !REFUSALS.has(reason)) return false;
  const { credentials } = known.registry;
  const isListed = used === undefined ? credentials.length === 0 : credentials.some(isSameCredential(used));
  return !isListed || (known.login.kind === 'accepted' && known.login.credential !== used?.name);
}

/** Whatever was under way when the operator cancelled it changes nothing of that. */
const isCancelled = ({ failure }: ImageRecord): boolean => failure?.reason === 'Cancelled';

/** Most failures are an answer. */
function takeWord(book: Book, name: string, reason: FailureReason): void {
  const address = toSpec(book, name)?.reference.registry;
  if (address !== undefined && !SILENT.has(reason)) takeHeard(book, address);
}

function suspect(book: Book, name: string, reason: FailureReason): void {
  const registry = toSpec(book, name)?.registry;
  const before = registry === undefined ? undefined : book.registries.get(registry);
  if (registry === undefined || before === undefined) return;
  // Where there is no other password, a right that is missing must not cost a login each time.
  const isOther = REFUSALS.has(reason) && before.registry.credentials.length > 1;
  if (!SUSPICIOUS.has(reason) && !isOther) return;
  book.registries.set(registry, { ...before, isSuspect: true });
}
