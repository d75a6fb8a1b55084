import type { Clock } from '#agent/ports';
import { backoffMs } from '#core/backoff';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { BusyRegistry } from '#relay/registry-failure';
import type { TokenBucket } from '#relay/token-bucket';
import type { Tidy } from '#relay/tidy';
import type { BlobSource } from '#relay/blobs';

/** What is wanted of the registry. */
export interface SteadyFetch {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly fromByte: number;
  readonly source: BlobSource;
  /** How long to hold on without a byte. */
  readonly stallTimeoutMs: number;
  /** How long to hold on from the first failure since a byte came. */
  readonly patienceMs: number;
  /** Whether others cannot go on meanwhile. */
  readonly isInTheWay?: (() => boolean) | undefined;
  readonly signal: AbortSignal;
  /** Once it aborts nothing more is asked; what comes of the answer that is there is still given. */
  readonly leaving?: AbortSignal | undefined;
  readonly onFetched?: ((bytes: number) => void) | undefined;
}

interface Surroundings {
  readonly bucket: Pick<TokenBucket, 'take'>;
  readonly tidy: Tidy;
  readonly clock: Clock;
}

const RETRY = { retryInitialSeconds: 0.5, retryMaxSeconds: 15 };
/** The longest that a registry's `Retry-After` is honoured for. */
const MAX_RETRY_AFTER_MS = 60_000;
/** A connection that is silent for longer is given up for another one. */
const MAX_SILENCE_MS = 60_000;
/** How long to hold on without a byte where others cannot go on meanwhile. */
const IN_THE_WAY_MS = 15_000;
/** How often to look whether that is so. */
const LOOK_MS = 1000;
/** Whoever sent so much before the connection broke is asked for the rest at once. */
const AMPLE_BYTES = 65_536;
/** Connections in a row that break before they come to a byte that is new. */
const MAX_VAIN_SKIPS = 3;

/** Another attempt would end in the same way. */
const FINAL: ReadonlySet<FailureReason> = new Set([
  'Unauthorized',
  'AccessDenied',
  'Corrupt',
  'RegistryUntrusted',
  'RegistryInsecure',
]);

/**
 * The bytes of a blob from `fromByte` to its end, over as many connections as it takes, at the pace of the reader and
 * of the bucket. They are not verified. Throws the last failure when it gives up, or the signal's reason.
 */
export async function* fetchSteadily(
  fetch: SteadyFetch,
  surroundings: Surroundings,
): AsyncGenerator<Uint8Array> {
  const { sizeBytes, signal, leaving, stallTimeoutMs, patienceMs } = fetch;
  const { clock } = surroundings;
  const asking = leaving === undefined ? signal : AbortSignal.any([signal, leaving]);
  const progress: Progress = { atByte: fetch.fromByte, heardMs: clock.steadyMs(), isNew: false };
  let failures = 0;
  let vainSkips = 0;
  let failedMs: number | undefined;
  while (progress.atByte < sizeBytes) {
    progress.isNew = false;
    const { heardMs, atByte } = progress;
    let failure: AgentError;
    try {
      yield* fetchOnce(fetch, surroundings, progress);
      failure = new AgentError('RegistryUnreachable', toBroken(fetch, progress));
    } catch (error) {
      signal.throwIfAborted();
      failure = AgentError.of(error);
    }
    if (progress.atByte >= sizeBytes) return;
    asking.throwIfAborted();
    if (progress.isNew) [failures, vainSkips, failedMs] = [0, 0, undefined];
    else if (progress.heardMs > heardMs) vainSkips += 1;
    failures += 1;
    const nowMs = clock.steadyMs();
    failedMs ??= nowMs;
    const silentMs = nowMs - progress.heardMs;
    const isOver =
      silentMs >= stallTimeoutMs ||
      nowMs - failedMs >= patienceMs ||
      (silentMs >= IN_THE_WAY_MS && fetch.isInTheWay?.() === true);
    if (FINAL.has(failure.reason) || isOver || vainSkips >= MAX_VAIN_SKIPS) throw failure;
    const isAmple = progress.atByte - atByte >= AMPLE_BYTES;
    const delayMs = isAmple ? 0 : backoffMs(failures, RETRY, clock.random());
    const askedMs = failure instanceof BusyRegistry ? Math.min(failure.retryAfterMs, MAX_RETRY_AFTER_MS) : 0;
    await clock.sleep(Math.max(delayMs, askedMs), asking);
    asking.throwIfAborted();
  }
}

interface Progress {
  atByte: number;
  /** When the registry was last heard, or need not speak. */
  heardMs: number;
  /** Whether this connection brought anything. */
  isNew: boolean;
}

async function* fetchOnce(
  { digest, sizeBytes, source, stallTimeoutMs, isInTheWay, signal, leaving, onFetched }: SteadyFetch,
  { bucket, tidy, clock }: Surroundings,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  const silence = watchSilence(clock, Math.min(stallTimeoutMs / 2, MAX_SILENCE_MS), isInTheWay);
  const unanswered = new AbortController();
  const connection = AbortSignal.any([signal, silence.signal, unanswered.signal]);
  const giveUp = (): void => unanswered.abort(leaving?.reason);
  try {
    silence.begin();
    const { repository, upstream } = source;
    leaving?.addEventListener('abort', giveUp);
    const answer = await upstream.openBlob({ repository, digest, fromByte: progress.atByte }, connection);
    leaving?.removeEventListener('abort', giveUp);
    const { fromByte, totalBytes, body } = answer;
    if (totalBytes !== undefined && totalBytes !== sizeBytes) {
      throw new AgentError('Corrupt', `the registry has ${totalBytes} bytes of ${digest}, not ${sizeBytes}`);
    }
    let skipBytes = progress.atByte - fromByte;
    for await (const chunk of body) {
      if (progress.atByte >= sizeBytes) return;
      silence.end();
      progress.heardMs = clock.steadyMs();
      onFetched?.(chunk.length);
      tidy(chunk.length);
      await bucket.take(chunk.length, signal);
      const fresh = chunk.subarray(skipBytes, skipBytes + sizeBytes - progress.atByte);
      skipBytes = Math.max(skipBytes - chunk.length, 0);
      if (fresh.length > 0) {
        progress.atByte += fresh.length;
        progress.isNew = true;
        yield fresh;
      }
      // What the bucket and the reader took of the time is not the registry's.
      progress.heardMs = clock.steadyMs();
      // To the end of the answer, so that its connection can be used again.
      silence.begin();
    }
  } catch (error) {
    // An answer whose body nobody reads would hold its connection for ever.
    unanswered.abort();
    if (!silence.signal.aborted || signal.aborted) throw error;
    throw new AgentError('Stalled', `no byte of ${digest} from the registry in time`);
  } finally {
    leaving?.removeEventListener('abort', giveUp);
    silence.close();
  }
}

interface Silence {
  readonly signal: AbortSignal;
  begin(): void;
  end(): void;
  close(): void;
}

/** Aborts when nothing is heard for so long. One watch for a whole connection: there are thousands of pieces in it. */
function watchSilence(clock: Clock, limitMs: number, isInTheWay: () => boolean = () => false): Silence {
  const closed = new AbortController();
  const silent = new AbortController();
  let sinceMs: number | undefined;
  async function watch(): Promise<void> {
    while (!closed.signal.aborted) {
      const silentMs = sinceMs === undefined ? 0 : clock.steadyMs() - sinceMs;
      const isLate = silentMs >= IN_THE_WAY_MS;
      if (silentMs >= limitMs || (isLate && isInTheWay())) return silent.abort();
      const nextMs = isLate ? LOOK_MS : IN_THE_WAY_MS - silentMs;
      await clock.sleep(Math.min(limitMs - silentMs, nextMs), closed.signal);
    }
  }
  void watch();
  return {
    signal: silent.signal,
    begin: () => (sinceMs = clock.steadyMs()),
    end: () => (sinceMs = undefined),
    close: () => closed.abort('closed'),
  };
}

const toBroken = ({ digest, sizeBytes }: SteadyFetch, { atByte }: Progress): string =>
  `the registry's answer ended after ${atByte} of ${sizeBytes} bytes of ${digest}`;
