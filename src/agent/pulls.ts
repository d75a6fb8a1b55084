import * as book from '#agent/book';
import * as outcomes from '#agent/outcomes';
import type { Beginning } from '#agent/outcomes';
import type { ActionDeps } from '#agent/actions';
import type { Measures } from '#agent/measures';
import { own } from '#agent/ownership';
import { createPull, PullCancelled } from '#agent/pull';
import type { OwnPull, Pull } from '#agent/pull';
import type { BroughtImage } from '#agent/transports';
import type { RegistryAccess } from '#core/registry-access';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { ImageSpec } from '#core/desired-state';
import { toFreshContent } from '#core/image-content';
import type { ImageContent } from '#core/image-content';
import { toNames } from '#core/presence';
import { sumBytes } from '#core/progress';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { formatReference, formatRepository } from '#core/reference';
import type { CancelCause, Running, RunningPull } from '#core/world';

/** The pulls in flight. */
export interface PullTable {
  readonly running: ReadonlyMap<string, Pull>;
  /** The same for a plan. @param offsetMs - from the steady clock to the machine's */
  toRunning(offsetMs: number): Running['pulls'];
  /** Those that ended since the last pass: where their images stand now only the next one tells. */
  readonly ended: ReadonlyMap<string, Pull>;
  /** A pass told where all images stand. */
  forgetEnded(): void;
  /** Pulls one image and takes the outcome into the book; never rejects for a failed pull. */
  start(name: string, spec: ImageSpec, access: RegistryAccess): Promise<void>;
  cancel(name: string, cause: CancelCause): void;
}

function toRunningPull(pull: Pull, offsetMs: number): RunningPull {
  const { key, reference, diskBytes, transport, stage, isCancelling, startedMs, advancedMs } = pull;
  const times = { startedAtMs: startedMs + offsetMs, advancedAtMs: advancedMs + offsetMs };
  return { key, reference, diskBytes, transport, stage, isCancelling, ...times };
}

const toBytes = ({ progress }: Pull): number => sumBytes([progress]).downloadedBytes;

export interface PullDeps extends ActionDeps {
  readonly measures: Measures;
}

/** A pull that ended. */
interface Attempt {
  readonly pull: Pull;
  readonly begun: Beginning;
  readonly access: RegistryAccess;
}

/** Makes the table, empty. */
export function createPullTable({
  transports,
  measures,
  observer,
  book: state,
  herald,
  clock,
  log,
  tally,
  toMoment,
  ring,
  remember,
}: PullDeps): PullTable {
  const running = new Map<string, OwnPull>();
  const ended = new Map<string, OwnPull>();

  /** The outcome counts for the entry that it was started for, and for no other that has its name now. */
  const isCurrent = (name: string, { key }: Pull): boolean => state.images.get(name)?.key === key;

  function createFor(name: string, spec: ImageSpec): OwnPull {
    const { registry } = spec.reference;
    return createPull({
      spec,
      content: state.contents.get(name),
      transport: transports.routes.get(registry)?.transport ?? 'engine',
      clock,
      onHeard() {
        if (book.takeHeard(state, registry)) ring();
      },
      onLetGo: ring,
    });
  }

  /** Whoever has seen an image fail is to get what its registry holds from then on; so is whoever demands it. */
  function toFresh(name: string, { key }: Pull): ImageContent | undefined {
    if ((state.images.get(name)?.attempts ?? 0) > 0) return undefined;
    return toFreshContent(state.contents.get(name), key, {
      steadyMs: clock.steadyMs(),
      generation: state.generation,
    });
  }

  async function start(name: string, spec: ImageSpec, access: RegistryAccess): Promise<void> {
    const { registry } = spec.reference;
    const pull = createFor(name, spec);
    const begun = outcomes.toBeginning(state, name);
    const reference = formatReference(spec.reference);
    // Until when others wait for the first answer decides when to look again.
    if (book.takeAsked(state, registry, toMoment())) ring();
    running.set(name, pull);
    ended.delete(name);
    if ((state.images.get(name)?.attempts ?? 0) > 0) tally.count('retries_total', { action: 'pull' });
    log.debug({ image: name, reference }, 'pull started');
    for (const brought of toNames(spec)) {
      state.claimed.set(brought, { name, idBefore: observer.toId(brought) });
    }
    const idsBefore = toNames(spec).map((brought) => observer.toId(brought));
    let pulled: BroughtImage | undefined;
    try {
      await remember();
      pulled = await transports.pull({
        reference: spec.reference,
        access,
        credential: access.credential,
        ca: access.ca,
        platform: spec.platform,
        engine: measures.toPlatform(),
        content: toFresh(name, pull),
        stallTimeoutMs: (state.desired?.settings ?? DEFAULT_SETTINGS).stallTimeoutSeconds * 1000,
        signal: pull.signal,
        onLayer: pull.take,
        onTransport: (transport) => (pull.transport = transport),
        onContent: (content) => void takeContent(name, spec, pull, content),
        onFetched: pull.advance,
        onNaming: pull.takeNaming,
      });
      // A further name it is given by a tagging, or was given by somebody else.
      const names = toNames({ reference: spec.reference, tagAs: [] });
      const references = [...names, `${formatRepository(spec.reference)}@${pulled.digest}`];
      if (!pulled.wasPresent) own(state, name, references);
      if (isCurrent(name, pull)) {
        outcomes.takePulled(state, name, pulled, { ...toMoment(), begun });
      }
      const durationMs = Math.round(clock.steadyMs() - pull.startedMs);
      const { digest, sizeBytes, wasPresent, transport } = pulled;
      book.takeTimes(state, registry, pull.times);
      tally.count('pulls_total', { result: wasPresent ? 'unchanged' : 'succeeded' });
      if (!wasPresent) tally.observe('pull_duration_seconds', {}, durationMs / 1000);
      const bytes = toBytes(pull);
      herald.attempted(bytes, false);
      if (!wasPresent && isCurrent(name, pull)) {
        herald.pulled(name, { image: reference, digest, durationMs, bytes });
      }
      log.info(
        { image: name, reference, digest, sizeBytes, durationMs, transport, wasPresent },
        'image pulled',
      );
    } catch (error) {
      takeFailure(name, { pull, begun, access }, error);
    } finally {
      for (const brought of toNames(spec)) state.claimed.delete(brought);
      running.delete(name);
      ended.set(name, pull);
      book.takeUnheard(state, registry);
      tally.count('downloaded_bytes_total', {}, toBytes(pull));
      // What became of an image that had one of the names before only a listing tells.
      const hasMoved = idsBefore.some((id) => id !== '' && id !== pulled?.id);
      if (pulled === undefined || hasMoved) observer.change();
      else observer.takePulled(spec.reference, pulled);
      ring();
    }
  }

  /** A tag may have moved since it was asked what it holds. */
  async function takeContent(
    name: string,
    spec: ImageSpec,
    pull: OwnPull,
    content: ImageContent,
  ): Promise<void> {
    if (state.contents.get(name)?.content.digest === content.digest) return;
    try {
      const known = await measures.compare(spec, content, pull.signal);
      if (running.get(name) !== pull) return;
      if (isCurrent(name, pull)) state.contents.set(name, known);
      pull.takeContent(known);
    } catch {
      // Progress is told as the engine tells it, then.
    }
  }

  /** @param reason - absent where it was ended, and nothing is wrong */
  function countEnd(reason: FailureReason | undefined): void {
    tally.count('pulls_total', { result: reason === undefined ? 'cancelled' : 'failed' });
    if (reason !== undefined) tally.count('pull_failures_total', { reason });
  }

  function takeFailure(name: string, { pull, begun, access: { credential } }: Attempt, error: unknown): void {
    const reference = formatReference(pull.reference);
    if (error instanceof PullCancelled) {
      const { cancelCause: cause } = error;
      countEnd(cause === 'Stalled' || cause === 'TimedOut' ? cause : undefined);
      log.info({ image: name, reference, cause }, 'pull cancelled');
      if (isCurrent(name, pull)) outcomes.takeCancelled(state, name, cause, { ...toMoment(), begun });
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
    if (isCurrent(name, pull)) outcomes.takeFailed(state, name, failure, { ...toMoment(), begun });
    const attempts = state.images.get(name)?.attempts;
    const { reason, message } = failure;
    log.debug({ image: name, reference, reason, error: message, attempts }, 'pull attempt failed');
  }

  return {
    running,
    toRunning: (offsetMs) =>
      new Map([...running].map(([name, pull]) => [name, toRunningPull(pull, offsetMs)] as const)),
    ended,
    forgetEnded: () => ended.clear(),
    start,
    cancel(name, cause) {
      running.get(name)?.cancel(cause);
    },
  };
}
