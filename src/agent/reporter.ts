import type { Clock, Hub, Log } from '#agent/ports';
import { createWake } from '#agent/wake';
import { toJsonBytes } from '#core/json-size';
import { applyPatch, doubt, hasMoreThanProgress, joinPatches, mergePatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import type { Tally } from '#core/tally';
import { findTwinViolation, splitPatch } from '#core/twin-size';

/** Sends what changed of the reported document, at its own pace, beside the loop. */
export interface Reporter {
  /** Something may have changed. */
  ring(): void;
  /** Reports until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Sends what is still unsent, once, without waiting for a pace; gives up when the signal aborts. */
  flush(signal: AbortSignal): Promise<void>;
}

export interface ReporterDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  /**
   * The document as it should stand now, with a null for what may stand in it and does not; undefined while there is
   * nothing to be said yet.
   */
  readonly toDocument: () => JsonObject | undefined;
  /** Least time between two reports of mere progress. */
  readonly toIntervalMs: () => number;
}

/** Phase changes that come together go together; each is out within a second. */
const COALESCE_MS = 200;
const SPACING_MS = 700;
const RETRY_MS = 5000;
/**
 * A fetched twin that comes this soon after another one is not looked at: what was reported meanwhile has seldom reached
 * IoT Hub, and would be sent twice. One that comes later is, whatever is reported: nothing else shows what edgeHub still
 * had of the process before, or lost.
 */
const READ_BACK_AFTER_MS = 20_000;
/** edgeHub refuses 32,768 bytes of JSON in one patch. */
const MAX_PATCH_BYTES = 30_000;

/** Makes a reporter that has sent nothing yet. */
export function createReporter({ hub, clock, log, tally, toDocument, toIntervalMs }: ReporterDeps): Reporter {
  const wake = createWake(clock);
  /**
   * What IoT Hub will show when edgeHub has passed on all that it has, as far as that is certain; undefined before the
   * first twin. A null: not there; no key: whatever the process before left.
   */
  let known: JsonObject | undefined;
  let seenFetch = 0;
  let seenConnection = 0;
  let readBackAtMs = -Infinity;
  let lastSentAtMs = -Infinity;
  let lastViolation: string | undefined;
  /** Until when nothing goes after one that was not taken, unless edgeHub is connected to anew. */
  let pausedUntilMs = -Infinity;
  /** What is on its way. */
  let sending: Promise<unknown> = Promise.resolve();

  hub.onChange(() => wake.ring());

  /**
   * A fetched twin is what IoT Hub has, without what edgeHub took and did not pass on yet: either may be what stays. What
   * the two do not agree on is not known, and is reported anew.
   */
  function readBack(): void {
    const { twin } = hub;
    if (twin === undefined || twin.fetch === seenFetch) return;
    const isNewConnection = twin.connection !== seenConnection;
    seenFetch = twin.fetch;
    seenConnection = twin.connection;
    if (isNewConnection) pausedUntilMs = -Infinity;
    const nowMs = clock.nowMs();
    if (!isNewConnection && nowMs - readBackAtMs < READ_BACK_AFTER_MS) return;
    readBackAtMs = nowMs;
    const { $version: _version, $metadata: _metadata, ...reported } = twin.reported as JsonObject;
    known ??= {};
    known = doubt(known, mergePatch(withoutNulls(known), withoutNulls(reported)) ?? {});
  }

  async function send(patch: JsonObject, document: JsonObject): Promise<boolean> {
    const sent = sendParts(patch);
    sending = sent;
    const isTaken = await sent;
    if (isTaken) known = document;
    else pausedUntilMs = clock.nowMs() + RETRY_MS;
    return isTaken;
  }

  async function sendParts(patch: JsonObject): Promise<boolean> {
    for (const part of splitPatch(patch, MAX_PATCH_BYTES)) {
      const violation = findTwinViolation(part);
      if (violation !== undefined) {
        tally.count('reports_total', { result: 'refused' });
        if (violation !== lastViolation) {
          log.error({ violation }, 'a report breaks a rule of the twin and is not sent');
        }
        lastViolation = violation;
        return false;
      }
      try {
        tally.count('report_bytes_total', {}, toJsonBytes(part));
        await hub.report(part);
        tally.count('reports_total', { result: 'accepted' });
      } catch (error) {
        const isRefused = error instanceof Error && error.name === 'ReportRefused';
        tally.count('reports_total', { result: isRefused ? 'refused' : 'unanswered' });
        log.debug({ err: error }, 'report not acknowledged; will retry');
        // It may have arrived all the same.
        known = doubt(known ?? {}, part);
        return false;
      }
      known = joinPatches(known ?? {}, part);
      lastSentAtMs = clock.nowMs();
    }
    return true;
  }

  /** One turn: sends what is due, and says when to look again. */
  async function turn(): Promise<number> {
    const nowMs = clock.nowMs();
    readBack();
    if (!hub.isConnected || known === undefined) return Infinity;
    // Nothing goes before; a document of two thousand images, made at each ring, would be most of the module's work.
    const fromMs = Math.max(lastSentAtMs + SPACING_MS, pausedUntilMs);
    if (fromMs > nowMs) return fromMs;
    const document = toDocument();
    if (document === undefined) return Infinity;
    const patch = mergePatch(known, document);
    const tickAtMs = isPulling(document) ? nowMs + toIntervalMs() : Infinity;
    if (patch === undefined) return tickAtMs;
    const paceAtMs = lastSentAtMs + toIntervalMs();
    if (!hasMoreThanProgress(patch) && paceAtMs > nowMs) return paceAtMs;
    return (await send(patch, document)) ? Math.min(tickAtMs, clock.nowMs() + SPACING_MS) : pausedUntilMs;
  }

  return {
    ring: () => wake.ring(),
    async run(signal) {
      let untilMs = Infinity;
      while (!signal.aborted) {
        await wake.wait(untilMs, signal);
        if (signal.aborted) return;
        await clock.sleep(COALESCE_MS, signal);
        try {
          untilMs = await turn();
        } catch (error) {
          log.error({ err: error }, 'a report ended in an unexpected error; reporting goes on');
          untilMs = clock.nowMs() + RETRY_MS;
        }
      }
    },
    async flush(signal) {
      const aborted = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      // What is on its way is of before, and to be known as what the twin shows.
      await Promise.race([sending.catch(() => undefined), aborted]);
      if (signal.aborted) return;
      readBack();
      const document = hub.isConnected && known !== undefined ? toDocument() : undefined;
      if (document === undefined) return;
      const patch = mergePatch(known ?? {}, document);
      if (patch !== undefined) await Promise.race([send(patch, document), aborted]);
    },
  };
}

const withoutNulls = (document: JsonObject): JsonObject => applyPatch({}, document);

const isPulling = (document: JsonObject): boolean => {
  const { summary } = document;
  return typeof summary === 'object' && summary !== null && 'pulling' in summary && summary.pulling !== 0;
};
