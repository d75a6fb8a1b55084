import { backoffMs, jitterMs } from '#core/backoff';
import type { BackoffPolicy } from '#core/backoff';
import type { ImageSpec } from '#core/desired-state';
import { formatPlatform } from '#core/platform';
import type { FailureReason } from '#core/reason';
import { formatReference } from '#core/reference';
import type { Transport } from '#core/route';

/** Why the last attempt failed, and when the next one is due. */
export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
  /** Milliseconds since 1970; absent where only the operator can help. */
  readonly retryAtMs?: number;
}

/** A pull that was asked for by `PullImages`: the first attempt settles it, and the window does not count. */
export interface Demand {
  /** Pulled even if present. */
  readonly force: boolean;
}

/** What a pull brought. */
export interface PulledAs {
  readonly id: string;
  /** That the registry served. */
  readonly digest: string;
  readonly transport: Transport;
}

/** What the agent remembers of one desired image between two passes. Every change of it is a function below. */
export interface ImageRecord {
  /** What it is about; another key means another image, of which nothing is known. */
  readonly key: string;
  readonly pullRequest?: number;
  /** A changed `pullRequest` asks for a pull, even if it is present, until one brings it. */
  readonly isRequested?: true;
  /** Attempts that failed in a row. */
  readonly attempts: number;
  readonly failure?: Failure;
  /** Asked for, until it is settled. */
  readonly demand?: Demand;
  /** Whether the last demand that was settled ended in what was asked for. */
  readonly demandMet?: boolean;
  /** The generation of desired properties for which the registry was last asked for the tag's digest. */
  readonly checkedGeneration: number;
  readonly checkFailures: number;
  /** When the tag is compared with the registry again, milliseconds since 1970. */
  readonly nextCheckAtMs?: number;
  /** The digest that the registry serves, as last heard. */
  readonly servedDigest?: string;
  /** What the last pull brought. An engine may know an image without a registry's digest. */
  readonly pulledAs?: PulledAs;
  /** As last seen in the engine; absent while it is not there. */
  readonly seen?: {
    readonly digest?: string;
    /** The engine's, where there is no digest; without either it was seen by the process before. */
    readonly id?: string;
    /** Absent where that is not known: it was there before a restart, and the report had no room for its date. */
    readonly sinceMs?: number;
    /** As it was reported before a restart. */
    readonly transport?: Transport;
  };
  readonly evictions: number;
  /** No pull before this time: re-pulls after an eviction are spread. */
  readonly notBeforeMs?: number;
}

/** The record when an attempt began: what was asked for since is no part of it, for the tag may have moved. */
export type Begun = Pick<ImageRecord, 'demand' | 'pullRequest'>;

/** By what an image in the engine is known: the registry's digest, or else the engine's id. */
export type SeenAs = Pick<NonNullable<ImageRecord['seen']>, 'digest' | 'id'>;

/** What a transition depends on besides the record. */
export interface Moment {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
  readonly generation: number;
  readonly policy: BackoffPolicy & { readonly refreshIntervalSeconds: number };
}

/** The part of a specification that makes it another image when it changes. */
export function toImageKey({ reference, registry, platform }: ImageSpec): string {
  return [formatReference(reference), registry ?? '', platform ? formatPlatform(platform) : ''].join(' ');
}

/**
 * The record for what is desired now: kept, renewed by a change of the desired properties, or begun.
 *
 * @param isChanged - whether the desired properties changed: then what failed is tried again at once
 */
export function toRecord(before: ImageRecord | undefined, spec: ImageSpec, isChanged = true): ImageRecord {
  const key = toImageKey(spec);
  const request = spec.pullRequest === undefined ? {} : { pullRequest: spec.pullRequest };
  const isRequested =
    before !== undefined && spec.pullRequest !== undefined && spec.pullRequest !== before.pullRequest;
  const asked: Partial<ImageRecord> = isRequested || before?.isRequested ? { isRequested: true } : {};
  if (before === undefined || before.key !== key) {
    return { key, ...request, ...asked, attempts: 0, checkedGeneration: -1, checkFailures: 0, evictions: 0 };
  }
  const rest = isChanged ? cleared(before) : before;
  return { ...rest, ...request, ...asked };
}

/** Asked for now, by `PullImages`: the backoff is over, and the window does not count. */
export function demanded(record: ImageRecord, force: boolean): ImageRecord {
  const { failure: _failure, notBeforeMs: _notBeforeMs, ...rest } = record;
  return { ...rest, demand: { force: force || (record.demand?.force ?? false) } };
}

/** A demand that ends without an attempt of its own. */
export function settled(record: ImageRecord, isMet: boolean): ImageRecord {
  if (record.demand === undefined) return record;
  const { demand: _demand, ...rest } = record;
  return { ...rest, demandMet: isMet };
}

/** Cancelled by `CancelPulls`: it stays so until desired changes or it is demanded. */
export function cancelled(record: ImageRecord): ImageRecord {
  const failure: Failure = { reason: 'Cancelled', message: 'Cancelled by CancelPulls.' };
  const { isRequested: _isRequested, ...rest } = settled(record, false);
  return { ...rest, failure };
}

/** A pull brought the image. */
export function pulled(
  record: ImageRecord,
  { id, digest, transport }: PulledAs,
  moment: Moment,
  begun: Begun = record,
): ImageRecord {
  const answered = record.demand === begun.demand ? settled(record, true) : record;
  const { failure: _failure, notBeforeMs: _notBeforeMs, isRequested, ...rest } = answered;
  const seenNow = toSeen(record, { digest }, moment.nowMs);
  return {
    ...rest,
    ...(isRequested === true && record.pullRequest !== begun.pullRequest ? { isRequested } : {}),
    attempts: 0,
    pulledAs: { id, digest, transport },
    seen: seenNow,
    ...checkedNow(digest, moment),
  };
}

/** An attempt failed; it is tried again after a backoff unless nothing but the operator helps. */
export function failed(
  record: ImageRecord,
  { reason, message }: Omit<Failure, 'retryAtMs'>,
  moment: Moment,
  isRetried = true,
): ImageRecord {
  const attempts = record.attempts + 1;
  const retryAtMs = moment.nowMs + backoffMs(attempts, moment.policy, moment.random);
  return {
    ...settled(record, false),
    attempts,
    failure: { reason, message, ...(isRetried ? { retryAtMs } : {}) },
  };
}

/** An attempt failed that began before something else was asked for: that is tried at once. */
export function failedBefore(
  record: ImageRecord,
  failure: Omit<Failure, 'retryAtMs'>,
  moment: Moment,
): ImageRecord {
  const { demand } = record;
  const after = failed(record, failure, moment);
  return {
    ...after,
    ...(demand === undefined ? {} : { demand }),
    failure: { ...failure, retryAtMs: moment.nowMs },
  };
}

/** The way is clear again (another password is accepted, the manifest is there): tried at once, `attempts` kept. */
export function cleared(record: ImageRecord): ImageRecord {
  const { failure: _failure, ...rest } = record;
  return rest;
}

/** The registry was asked for the tag of an image that the engine has. */
export function checked(
  record: ImageRecord,
  digest: string,
  moment: Moment,
  begun: Begun = record,
): ImageRecord {
  const isAnswer = record.seen?.digest === digest && record.demand === begun.demand;
  return { ...(isAnswer ? settled(record, true) : record), ...checkedNow(digest, moment) };
}

/** The registry could not be asked: what the engine has stays good, and it is asked again after a backoff. */
export function checkFailed(record: ImageRecord, moment: Moment, begun: Begun = record): ImageRecord {
  const checkFailures = record.checkFailures + 1;
  return {
    ...(record.demand === begun.demand ? settled(record, false) : record),
    checkedGeneration: moment.generation,
    checkFailures,
    nextCheckAtMs: moment.nowMs + backoffMs(checkFailures, moment.policy, moment.random),
  };
}

/** The engine was seen to have the image. */
export function seen(record: ImageRecord, found: SeenAs, nowMs: number): ImageRecord {
  const isKnown = isSeenAs(record, found) && !isNameless(record.seen);
  return isKnown ? record : { ...record, seen: toSeen(record, found, nowMs) };
}

/** It stands in the engine as wanted, whoever brought it: what failed before is over. */
export function healed(record: ImageRecord): ImageRecord {
  if (record.failure === undefined && record.attempts === 0) return record;
  return { ...cleared(record), attempts: 0 };
}

/** The engine had it and has it no longer. The pull is spread over the first retry delay: a clean-up hits a fleet at once. */
export function vanished(record: ImageRecord, moment: Moment): ImageRecord {
  if (record.seen === undefined) return record;
  const { seen: _seen, servedDigest: _servedDigest, ...rest } = record;
  const spreadMs = moment.random * moment.policy.retryInitialSeconds * 1000;
  return { ...rest, evictions: record.evictions + 1, notBeforeMs: moment.nowMs + Math.round(spreadMs) };
}

/** The record after the machine's clock was set: every time to come moves with it. */
export function shifted(record: ImageRecord, byMs: number): ImageRecord {
  const { failure, nextCheckAtMs, notBeforeMs } = record;
  const isTimed = failure?.retryAtMs !== undefined;
  return {
    ...record,
    ...(isTimed ? { failure: { ...failure, retryAtMs: failure.retryAtMs + byMs } } : {}),
    ...(nextCheckAtMs === undefined ? {} : { nextCheckAtMs: nextCheckAtMs + byMs }),
    ...(notBeforeMs === undefined ? {} : { notBeforeMs: notBeforeMs + byMs }),
  };
}

/** No retry is later than `latestMs`: one that was remembered may come from a clock that was wrong. */
export function retriedBy(record: ImageRecord, latestMs: number): ImageRecord {
  const { failure } = record;
  if (failure?.retryAtMs === undefined || failure.retryAtMs <= latestMs) return record;
  return { ...record, failure: { ...failure, retryAtMs: latestMs } };
}

const isSeenAs = ({ seen: before }: ImageRecord, { digest, id }: SeenAs): boolean =>
  before !== undefined &&
  before.digest === digest &&
  (digest !== undefined || before.id === id || isNameless(before));

/** Of one that was there before a restart without a registry's digest it is not known as what. */
const isNameless = (before: ImageRecord['seen']): boolean =>
  before !== undefined && before.digest === undefined && before.id === undefined;

const toSeen = (record: ImageRecord, found: SeenAs, nowMs: number): NonNullable<ImageRecord['seen']> => {
  const isSame = isSeenAs(record, found);
  const sinceMs = isSame ? record.seen?.sinceMs : nowMs;
  const transport = isSame ? record.seen?.transport : undefined;
  const { digest, id } = found;
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(id === undefined ? {} : { id }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(transport === undefined ? {} : { transport }),
  };
};

function checkedNow(digest: string, { nowMs, random, generation, policy }: Moment): Partial<ImageRecord> {
  const refreshMs = policy.refreshIntervalSeconds * 1000;
  return {
    servedDigest: digest,
    checkedGeneration: generation,
    checkFailures: 0,
    ...(refreshMs > 0 ? { nextCheckAtMs: nowMs + jitterMs(refreshMs, random) } : {}),
  };
}
