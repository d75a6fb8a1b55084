import type { Clock } from '#agent/ports';
import type { ImageSpec } from '#core/desired-state';
import { toRemainingNeed } from '#core/disk-need';
import type { KnownContent } from '#core/image-content';
import { toImageKey } from '#core/image-record';
import type { PullTimes } from '#core/places';
import { foldLayer, isFetching, sumBytes, toSized } from '#core/progress';
import type { LayerEvent, PullProgress } from '#core/progress';
import { addSample, SPACING_MS, toBytesPerSecond } from '#core/rate';
import type { Sample } from '#core/rate';
import type { Transport } from '#core/route';
import type { CancelCause, RunningPull } from '#core/world';

/** A pull in flight, or one that just ended, as others see it. */
export interface Pull extends Omit<RunningPull, 'startedAtMs' | 'advancedAtMs'> {
  /** By the steady clock, as all that is kept: setting the machine's makes no pull stall. */
  readonly startedMs: number;
  readonly advancedMs: number;
  readonly progress: PullProgress;
  /** Of the last half minute; undefined while nothing comes. */
  readonly bytesPerSecond: number | undefined;
  /** Undefined before all is fetched, where nothing was, and where the relay is what the engine asks. */
  readonly times: PullTimes | undefined;
}

/** The same, as whoever runs it sees it: it takes what is heard of it, and can be ended. */
export interface OwnPull extends Pull {
  /** Aborts with a `PullCancelled`. */
  readonly signal: AbortSignal;
  transport: Transport;
  take(layerId: string, event: LayerEvent): void;
  /** Bytes came from the registry, which the engine has not told of yet. */
  advance(): void;
  takeContent(known: KnownContent): void;
  /** All is there, and the registry is asked for the name. */
  takeNaming(): void;
  cancel(cause: CancelCause): void;
}

/** What a pull is aborted with. */
export class PullCancelled extends Error {
  override readonly name = 'PullCancelled';
  readonly cancelCause: CancelCause;

  constructor(cancelCause: CancelCause) {
    super(`pull cancelled: ${cancelCause}`);
    this.cancelCause = cancelCause;
  }
}

/** What a pull begins with, and who hears of it. */
export interface PullStart {
  readonly spec: ImageSpec;
  /** What the image holds, where that was asked. */
  readonly content: KnownContent | undefined;
  /** How its bytes are expected to come, until that is decided. */
  readonly transport: Transport;
  readonly clock: Pick<Clock, 'steadyMs'>;
  /** Called for each line about a layer: the registry has answered. */
  readonly onHeard: () => void;
  /** Called when nothing is fetched for it any more, and when all is unpacked: another pull may begin. */
  readonly onLetGo: () => void;
}

/** One pull, of which nothing was heard yet. */
export function createPull({ spec, content, transport, clock, onHeard, onLetGo }: PullStart): OwnPull {
  let known = content;
  let progress = toSized(known?.missing ?? []);
  const startedMs = clock.steadyMs();
  let advancedMs = startedMs;
  let namedMs: number | undefined;
  let downloadsMs: number | undefined;
  let fetchedMs: number | undefined;
  let isNaming = false;
  let samples: readonly Sample[] = [{ atMs: startedMs, bytes: 0 }];
  const controller = new AbortController();
  const toSamples = (): readonly Sample[] =>
    addSample(samples, { atMs: clock.steadyMs(), bytes: sumBytes([progress]).downloadedBytes });
  return {
    key: toImageKey(spec),
    reference: spec.reference,
    transport,
    signal: controller.signal,
    startedMs,
    get advancedMs() {
      return advancedMs;
    },
    get progress() {
      return progress;
    },
    get bytesPerSecond() {
      return toBytesPerSecond(toSamples());
    },
    get diskBytes() {
      return toRemainingNeed(known, progress);
    },
    get stage() {
      if (isNaming) return 'naming';
      if (progress.layers.size === 0) return 'asking';
      return isFetching(progress) ? 'fetching' : 'unpacking';
    },
    get times() {
      if (this.transport === 'relay' || namedMs === undefined || fetchedMs === undefined) return undefined;
      return { askedMs: namedMs - startedMs, fetchedMs: fetchedMs - (downloadsMs ?? fetchedMs) };
    },
    get isCancelling() {
      return controller.signal.aborted;
    },
    take(layerId, event) {
      const nowMs = clock.steadyMs();
      const before = progress;
      progress = foldLayer(progress, layerId, event);
      if (progress.advances > before.advances) advancedMs = nowMs;
      namedMs ??= nowMs;
      if (event.kind === 'downloading') downloadsMs ??= nowMs;
      onHeard();
      const mayLetGo = event.kind === 'downloaded' || event.kind === 'retrying';
      if (mayLetGo && isFetching(before) && !isFetching(progress)) {
        fetchedMs = nowMs;
        onLetGo();
      }
      // The engine writes many lines a second.
      if (nowMs - (samples.at(-1)?.atMs ?? 0) >= SPACING_MS) samples = toSamples();
    },
    advance() {
      advancedMs = clock.steadyMs();
    },
    takeContent(latest) {
      known = latest;
      for (const [layerId, layer] of toSized(latest.missing).layers) {
        const { totalBytes } = layer;
        if (totalBytes !== undefined) progress = foldLayer(progress, layerId, { kind: 'sized', totalBytes });
      }
    },
    takeNaming() {
      isNaming = true;
      onLetGo();
    },
    cancel(cause) {
      controller.abort(new PullCancelled(cause));
    },
  };
}
