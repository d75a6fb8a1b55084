import * as book from '#agent/book';
import * as outcomes from '#agent/outcomes';
import type { ActionDeps } from '#agent/actions';
import type { PullRequest } from '#agent/ports';
import type { ImageSpec } from '#core/desired-state';
import { toImageKey } from '#core/image-record';
import { toNames } from '#core/presence';
import { foldLayer, NO_PROGRESS, sumBytes } from '#core/progress';
import type { LayerEvent, PullProgress } from '#core/progress';
import { addSample, SPACING_MS, toBytesPerSecond } from '#core/rate';
import type { Sample } from '#core/rate';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { formatReference, formatRepository } from '#core/reference';
import type { CancelCause, RunningPull } from '#core/world';

/** The pulls in flight. */
export interface PullTable {
  readonly running: ReadonlyMap<string, Pull>;
  /** Pulls one image and takes the outcome into the book; never rejects for a failed pull. */
  start(name: string, spec: ImageSpec, access: RegistryAccess): Promise<void>;
  cancel(name: string, cause: CancelCause): void;
}

/** How a registry is spoken to; nothing known of one that no entry lists. */
export type RegistryAccess = Pick<PullRequest, 'credential' | 'ca'>;

export interface Pull extends RunningPull {
  readonly progress: PullProgress;
  /** Of the last half minute; undefined while nothing comes. */
  readonly bytesPerSecond: number | undefined;
}

interface OwnPull extends Pull {
  readonly controller: AbortController;
  take(layerId: string, event: LayerEvent): void;
}

const toBytes = ({ progress }: Pull): number => sumBytes([progress]).downloadedBytes;

/** What a pull is aborted with. */
class PullCancelled extends Error {
  override readonly name = 'PullCancelled';
  readonly cancelCause: CancelCause;

  constructor(cancelCause: CancelCause) {
    super(`pull cancelled: ${cancelCause}`);
    this.cancelCause = cancelCause;
  }
}

/** Makes the table, empty. */
export function createPullTable({
  engine,
  observer,
  book: state,
  herald,
  clock,
  log,
  tally,
  toMoment,
  ring,
  remember,
}: ActionDeps): PullTable {
  const running = new Map<string, OwnPull>();

  function createPull(spec: ImageSpec): OwnPull {
    let progress = NO_PROGRESS;
    // Kept steady and told by the machine's clock: setting that clock makes no pull stall.
    const startedMs = clock.steadyMs();
    let advancedMs = startedMs;
    let samples: readonly Sample[] = [{ atMs: startedMs, bytes: 0 }];
    const toTime = (steadyMs: number): number => clock.nowMs() - (clock.steadyMs() - steadyMs);
    const controller = new AbortController();
    const toSamples = (): readonly Sample[] =>
      addSample(samples, { atMs: clock.steadyMs(), bytes: sumBytes([progress]).downloadedBytes });
    return {
      key: toImageKey(spec),
      reference: spec.reference,
      controller,
      get startedAtMs() {
        return toTime(startedMs);
      },
      get advancedAtMs() {
        return toTime(advancedMs);
      },
      get progress() {
        return progress;
      },
      get bytesPerSecond() {
        return toBytesPerSecond(toSamples());
      },
      get remainingBytes() {
        const { totalBytes, downloadedBytes } = sumBytes([progress]);
        return totalBytes - downloadedBytes;
      },
      get isCancelling() {
        return controller.signal.aborted;
      },
      take(layerId, event) {
        const before = progress.advances;
        progress = foldLayer(progress, layerId, event);
        if (progress.advances > before) advancedMs = clock.steadyMs();
        // The engine writes many lines a second.
        if (clock.steadyMs() - (samples.at(-1)?.atMs ?? 0) >= SPACING_MS) samples = toSamples();
      },
    };
  }

  /** The outcome counts for the entry that it was started for, and for no other that has its name now. */
  const isCurrent = (name: string, { key }: Pull): boolean => state.images.get(name)?.key === key;

  async function start(name: string, spec: ImageSpec, access: RegistryAccess): Promise<void> {
    const pull = createPull(spec);
    const reference = formatReference(spec.reference);
    running.set(name, pull);
    if ((state.images.get(name)?.attempts ?? 0) > 0) tally.count('retries_total', { action: 'pull' });
    log.debug({ image: name, reference }, 'pull started');
    for (const brought of toNames(spec)) {
      state.claimed.set(brought, { name, idBefore: observer.toId(brought) });
    }
    try {
      await remember();
      const { signal } = pull.controller;
      const onLayer = pull.take;
      const pulled = await engine.pull({
        ...access,
        reference: spec.reference,
        platform: spec.platform,
        signal,
        onLayer,
      });
      const references = [...toNames(spec), `${formatRepository(spec.reference)}@${pulled.digest}`];
      if (!pulled.wasPresent) book.own(state, name, references);
      if (isCurrent(name, pull)) outcomes.takePulled(state, name, pulled, toMoment());
      const durationMs = Math.round(clock.nowMs() - pull.startedAtMs);
      const { digest, sizeBytes, wasPresent } = pulled;
      tally.count('pulls_total', { result: wasPresent ? 'unchanged' : 'succeeded' });
      if (!wasPresent) tally.observe('pull_duration_seconds', {}, durationMs / 1000);
      const bytes = toBytes(pull);
      herald.attempted(bytes, false);
      if (!wasPresent && isCurrent(name, pull)) {
        herald.pulled(name, { image: reference, digest, durationMs, bytes });
      }
      log.info({ image: name, reference, digest, sizeBytes, durationMs, wasPresent }, 'image pulled');
    } catch (error) {
      takeFailure(name, pull, access, error);
    } finally {
      for (const brought of toNames(spec)) state.claimed.delete(brought);
      running.delete(name);
      tally.count('downloaded_bytes_total', {}, toBytes(pull));
      observer.change();
      ring();
    }
  }

  /** @param reason - absent where it was ended, and nothing is wrong */
  function countEnd(reason: FailureReason | undefined): void {
    tally.count('pulls_total', { result: reason === undefined ? 'cancelled' : 'failed' });
    if (reason !== undefined) tally.count('pull_failures_total', { reason });
  }

  function takeFailure(name: string, pull: Pull, { credential }: RegistryAccess, error: unknown): void {
    const reference = formatReference(pull.reference);
    if (error instanceof PullCancelled) {
      const { cancelCause: cause } = error;
      countEnd(cause === 'Stalled' || cause === 'TimedOut' ? cause : undefined);
      log.info({ image: name, reference, cause }, 'pull cancelled');
      if (isCurrent(name, pull)) outcomes.takeCancelled(state, name, cause, toMoment());
      return;
    }
    const failure = AgentError.of(error);
    if (outcomes.isRefusalOutdated(state, name, failure, credential)) {
      countEnd(undefined);
      log.info({ image: name, reference }, 'pull refused with a replaced password; starts again');
      return;
    }
    countEnd(failure.reason);
    herald.attempted(toBytes(pull), true);
    if (isCurrent(name, pull)) outcomes.takeFailed(state, name, failure, toMoment());
    const attempts = state.images.get(name)?.attempts;
    const { reason, message } = failure;
    log.debug({ image: name, reference, reason, error: message, attempts }, 'pull attempt failed');
  }

  return {
    running,
    start,
    cancel(name, cause) {
      running.get(name)?.controller.abort(new PullCancelled(cause));
    },
  };
}
