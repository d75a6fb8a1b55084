import type { Clock } from '#agent/ports';
import { createTurnstile } from '#core/turnstile';

/** A budget that all downloads share. */
export interface TokenBucket {
  /** From now on, for those too that wait already; 0 = no limit. */
  setRate(bytesPerSecond: number): void;
  /** Resolves when so many bytes may pass, in the order of the calls. Rejects with the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** So much of what was not used is not lost: timers ring late. */
const SAVED_SECONDS = 0.1;

/** Without a limit until one is set. */
export function createTokenBucket(clock: Pick<Clock, 'steadyMs' | 'sleep'>): TokenBucket {
  const inTurn = createTurnstile(1);
  let rate = 0;
  let changed = new AbortController();
  /** Bytes that passed and are not paid for by time yet; below 0: time that was not used. */
  let debtBytes = 0;
  let settledMs = clock.steadyMs();

  function settle(): void {
    const nowMs = clock.steadyMs();
    debtBytes = Math.max(debtBytes - ((nowMs - settledMs) / 1000) * rate, -SAVED_SECONDS * rate);
    settledMs = nowMs;
  }

  async function waitFor(bytes: number, signal: AbortSignal): Promise<void> {
    settle();
    while (rate > 0 && debtBytes > 0 && !signal.aborted) {
      // A whole number: the rest of a division would never be paid.
      const delayMs = Math.ceil((debtBytes / rate) * 1000);
      await clock.sleep(delayMs, AbortSignal.any([signal, changed.signal]));
      settle();
    }
    signal.throwIfAborted();
    debtBytes = rate > 0 ? debtBytes + bytes : 0;
  }

  return {
    setRate(bytesPerSecond) {
      if (bytesPerSecond === rate) return;
      settle();
      rate = bytesPerSecond;
      // Without a reason it would make an error, and its stack.
      changed.abort('changed');
      changed = new AbortController();
    },
    async take(bytes, signal) {
      if (rate > 0) await inTurn(() => waitFor(bytes, signal));
      else signal.throwIfAborted();
    },
  };
}
