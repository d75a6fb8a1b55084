import type { ImageSpec, Settings } from '#core/desired-state';
import { toKeptBytes } from '#core/disk-need';
import type { DiskNeed } from '#core/disk-need';
import { isComparedLongAgo, RECOMPARE_AFTER_MS } from '#core/image-content';
import type { KnownContent } from '#core/image-content';
import type { Failure, ImageRecord } from '#core/image-record';
import { findImage } from '#core/presence';
import type { Presence } from '#core/presence';
import { isInsideWindow, nextOpeningMs } from '#core/pull-window';
import type { PullWindow } from '#core/pull-window';
import { FAILURES } from '#core/reason';
import type { WaitingReason } from '#core/reason';
import type { Reference } from '#core/reference';
import { toLoginDueMs } from '#core/registry-record';
import { toSpareBytes } from '#core/world';
import type { Standing, World } from '#core/world';

/** What should happen to one image, and what is told of it until then. */
export interface Judgement {
  readonly standing: Standing;
  readonly want?:
    | { readonly kind: 'pull' }
    | { readonly kind: 'measure' }
    | { readonly kind: 'check' }
    | { readonly kind: 'tag'; readonly id: string; readonly targets: readonly Reference[] };
  /** A demand that has nothing left to do. */
  readonly isDemandMet?: boolean;
  /** False while the registry has still to be asked for the sake of the current desired properties. */
  readonly isSettled: boolean;
  /** When time alone changes this judgement, milliseconds since 1970. */
  readonly wakeAtMs?: number;
}

/** Whether the engine was listed since, or other properties are desired, or the image was demanded. */
const isOtherNow = ({ compared, asked }: KnownContent, { engine, generation }: World): boolean =>
  (engine.kind === 'known' && engine.index !== compared.listing) || asked?.generation !== generation;

/** The world, with what is worked out once for all images. */
export interface Court extends World {
  /** As {@link toSpareBytes} says. */
  readonly spareBytes: number;
  /** When the pull window opens, milliseconds since 1970; absent while it is open or there is none. */
  readonly opensAtMs?: number;
}

/** Works out what all images share. */
export function toCourt(world: World): Court {
  const { pullWindow: window } = world.desired.settings;
  const court = { ...world, spareBytes: toSpareBytes(world) };
  if (window === undefined || isInsideWindow(window, world.nowMs)) return court;
  return { ...court, opensAtMs: nextOpeningMs(window, world.nowMs) };
}

/** Judges one desired image that has no fault and is not being pulled. */
export function judge(name: string, spec: ImageSpec, record: ImageRecord, world: Court): Judgement {
  const { engine } = world;
  if (engine.kind === 'unavailable') {
    return {
      standing: { phase: 'Failed', reason: 'EngineUnavailable', message: engine.message },
      isSettled: false,
      ...(record.demand ? { isDemandMet: false } : {}),
    };
  }
  const presence = findImage(spec, engine, record);
  const isForced = record.isRequested ?? record.demand?.force ?? false;
  if (presence.kind === 'present' && !isForced && !isOutdated(spec, record, presence)) {
    return presence.missingTags.length > 0
      ? judgeUntagged(name, presence, record, world)
      : judgePresent(name, spec, { record, presence }, world);
  }
  return judgeAbsent(name, spec, record, world);
}

/** The registry serves another digest under the tag than the engine has. A pinned digest never moves. */
function isOutdated(spec: ImageSpec, record: ImageRecord, presence: Presence & { kind: 'present' }): boolean {
  if (spec.reference.digest !== undefined || record.servedDigest === undefined) return false;
  return spec.pullPolicy === 'always' && presence.digest !== record.servedDigest;
}

/** Of images that are here and ask for nothing: each pass says the same again. */
const WELL = new WeakMap<Presence, Judgement>();

function judgePresent(
  name: string,
  spec: ImageSpec,
  { record, presence }: { record: ImageRecord; presence: Presence & { kind: 'present' } },
  world: World,
): Judgement {
  const { image, digest } = presence;
  const isCompared = spec.pullPolicy === 'always' && spec.reference.digest === undefined;
  const known = WELL.get(presence);
  if (known !== undefined && !isCompared && record.demand === undefined) return known;
  const standing: Standing = { phase: 'Pulled', image, ...(digest === undefined ? {} : { digest }) };
  if (!isCompared) {
    const judgement = { standing, isSettled: true, ...(record.demand ? { isDemandMet: true } : {}) };
    if (record.demand === undefined) WELL.set(presence, judgement);
    return judgement;
  }
  const gate = toGate(spec, world);
  if (gate.kind === 'failed') return { standing, isSettled: true, ...toUnmet(record, gate) };
  const dueMs = toCheckDueMs(record, world);
  const isSettled = record.demand === undefined && record.checkedGeneration === world.generation;
  if (dueMs === undefined || gate.kind === 'pending') return { standing, isSettled };
  if (dueMs > world.nowMs) return { standing, isSettled, wakeAtMs: dueMs };
  return { standing, isSettled, ...(world.running.checks.has(name) ? {} : { want: { kind: 'check' } }) };
}

/** When the tag is compared with the registry: 0 for now, undefined for never. */
function toCheckDueMs(record: ImageRecord, { generation, desired }: World): number | undefined {
  if (record.demand !== undefined || record.checkedGeneration !== generation) return 0;
  const isRefreshed = desired.settings.refreshIntervalSeconds > 0 || record.checkFailures > 0;
  return isRefreshed ? record.nextCheckAtMs : undefined;
}

function judgeUntagged(
  name: string,
  { image, missingTags }: Presence & { kind: 'present' },
  { failure }: ImageRecord,
  world: World,
): Judgement {
  if (failure !== undefined && failure.retryAtMs === undefined) {
    return { standing: { phase: 'Failed', ...failure }, isSettled: true };
  }
  if (failure?.retryAtMs !== undefined && failure.retryAtMs > world.nowMs) {
    return { standing: { phase: 'Failed', ...failure }, isSettled: false, wakeAtMs: failure.retryAtMs };
  }
  return {
    standing: waiting('Queued', 'Waits to be tagged.'),
    isSettled: false,
    ...(world.running.tags.has(name) ? {} : { want: { kind: 'tag', id: image.id, targets: missingTags } }),
  };
}

function judgeAbsent(name: string, spec: ImageSpec, record: ImageRecord, world: Court): Judgement {
  const { nowMs, desired } = world;
  const { failure, demand } = record;
  if (failure !== undefined && failure.retryAtMs === undefined) {
    return { standing: { phase: 'Failed', ...failure }, isSettled: true };
  }
  const gate = toGate(spec, world);
  if (gate.kind === 'failed') return { standing: gate.standing, isSettled: true, ...toUnmet(record, gate) };
  if (gate.kind === 'pending') {
    return { standing: waiting('Queued', `Waits for the login at ${gate.registry}.`), isSettled: false };
  }
  if (desired.settings.paused) {
    return { standing: waiting('Paused', 'settings.paused is true.'), isSettled: false };
  }
  const opensAtMs = demand !== undefined || isThrottled(spec, world) ? undefined : world.opensAtMs;
  if (failure !== undefined) return judgeFailed({ name, spec, record }, failure, opensAtMs, world);
  const { pullWindow: window } = desired.settings;
  if (window !== undefined && opensAtMs !== undefined) {
    const message = `Pulls start at ${formatStart(window)}.`;
    return { standing: waiting('OutsideWindow', message), isSettled: false, wakeAtMs: opensAtMs };
  }
  if (record.notBeforeMs !== undefined && record.notBeforeMs > nowMs) {
    return { standing: QUEUED, isSettled: false, wakeAtMs: record.notBeforeMs };
  }
  return toPullable({ name, spec, record }, QUEUED, world);
}

/** It stays `Failed` until an attempt begins: a retry that waits for its turn is no better news. */
function judgeFailed(
  candidate: Candidate,
  failure: Failure,
  opensAtMs: number | undefined,
  world: Court,
): Judgement {
  const { retry } = FAILURES[failure.reason];
  // What a look at the registry's manifest can clear needs no pull, and so no window.
  const isChecked = retry === 'check' || retry === 'login';
  const retryAtMs = Math.max(failure.retryAtMs ?? 0, isChecked ? 0 : (opensAtMs ?? 0));
  const standing: Standing = { phase: 'Failed', ...failure, retryAtMs };
  if (retryAtMs > world.nowMs) return { standing, isSettled: true, wakeAtMs: retryAtMs };
  if (!isChecked) return toPullable(candidate, standing, world);
  return {
    standing,
    isSettled: true,
    ...(world.running.checks.has(candidate.name) ? {} : { want: { kind: 'check' } }),
  };
}

/** An image that could be pulled. */
interface Candidate {
  readonly name: string;
  readonly spec: ImageSpec;
  readonly record: ImageRecord;
}

function toPullable(candidate: Candidate, standing: Standing, world: Court): Judgement {
  const { name, spec, record } = candidate;
  const { spareBytes } = world;
  const known = world.contents.get(name);
  const isMeasured = known?.key === record.key;
  const keptBytes = isMeasured ? toKeptBytes(known.missing, world.keptBytes) : 0;
  const isUnsure = isMeasured ? spareBytes + keptBytes < known.ampleBytes : isRelayable(spec, world);
  if (isUnsure) {
    if (!world.running.measures.has(name)) return { standing, isSettled: false, want: { kind: 'measure' } };
    const asking = waiting('Queued', 'The registry is being asked what the image holds.');
    return { standing: standing.phase === 'Waiting' ? asking : standing, isSettled: false };
  }
  const need = isMeasured ? { ...known, diskBytes: known.diskBytes - keptBytes } : undefined;
  if (spareBytes >= (need?.diskBytes ?? 0)) {
    return standing === QUEUED ? PULLABLE : { standing, isSettled: false, want: { kind: 'pull' } };
  }
  // The engine may have some of its layers by now, or others no longer; a tag may have moved.
  const isOutdated = isMeasured && isComparedLongAgo(known, world.nowMs) && isOtherNow(known, world);
  return {
    standing: waiting('LowDisk', toLowDiskMessage(world.desired.settings, need)),
    isSettled: false,
    wakeAtMs: world.nowMs + RECOMPARE_AFTER_MS,
    ...(isOutdated && !world.running.measures.has(name) ? { want: { kind: 'measure' } } : {}),
  };
}

/** Whether an image goes through the relay, or may: what it holds is asked of the registry first. */
function isRelayable({ reference }: ImageSpec, { isRelayOn, routes, desired }: World): boolean {
  if (!isRelayOn || desired.settings.transport === 'engine') return false;
  return routes.get(reference.registry)?.transport !== 'engine';
}

/** Whether an image goes on outside the window, slowly: only the relay can do that. */
const isThrottled = (spec: ImageSpec, world: World): boolean =>
  (world.desired.settings.pullWindow?.outsideBytesPerSecond ?? 0) > 0 && isRelayable(spec, world);

/** Holds no figure that changes by itself: the message is reported. */
function toLowDiskMessage({ minFreeDiskMB }: Settings, need: DiskNeed | undefined): string {
  if (need === undefined || need.diskBytes === 0)
    return `The engine's disk has less than ${minFreeDiskMB} MB (minFreeDiskMB) to spare.`;
  const needMB = `${need.isDiskGuessed ? 'about ' : ''}${Math.ceil(need.diskBytes / 1_000_000)} MB`;
  return `This image needs ${needMB} on the engine's disk, and ${minFreeDiskMB} MB (minFreeDiskMB) must stay free.`;
}

const formatStart = ({ startMinute, timeZone }: PullWindow): string => {
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  return `${twoDigits(Math.floor(startMinute / 60))}:${twoDigits(startMinute % 60)} ${timeZone}`;
};

const waiting = (reason: WaitingReason, message: string): Standing => ({ phase: 'Waiting', reason, message });

const QUEUED = waiting('Queued', 'Waits for a free place among the pulls.');
const PULLABLE: Judgement = { standing: QUEUED, isSettled: false, want: { kind: 'pull' } };

type Gate =
  | { readonly kind: 'open' }
  | { readonly kind: 'pending'; readonly registry: string }
  | { readonly kind: 'failed'; readonly standing: Standing; readonly isFinal: boolean };

const OPEN: Gate = { kind: 'open' };

/** A demand ends with the login that it waits for, or at once where none will be made. */
const toUnmet = (
  { demand }: ImageRecord,
  { isFinal }: Extract<Gate, { kind: 'failed' }>,
): Pick<Judgement, 'isDemandMet'> => (isFinal && demand !== undefined ? { isDemandMet: false } : {});

/** Whether the image's registry lets anything through: one login stands for all its images. */
function toGate(spec: ImageSpec, world: World): Gate {
  const record = spec.registry === undefined ? undefined : world.registries.get(spec.registry);
  if (record === undefined || spec.registry === undefined) return OPEN;
  const { login } = record;
  if (login.kind === 'failed') {
    const { reason, message, retryAtMs } = login;
    const retry = retryAtMs === undefined ? {} : { retryAtMs };
    const standing: Standing = { phase: 'Failed', reason, message, ...retry };
    return { kind: 'failed', standing, isFinal: retryAtMs === undefined };
  }
  return toLoginDueMs(record) === 0 ? { kind: 'pending', registry: spec.registry } : OPEN;
}
