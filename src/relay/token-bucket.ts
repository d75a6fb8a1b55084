import type { Clock } from '#agent/ports';

/** A budget that all downloads share. */
export interface TokenBucket {
  /** From now on, for those too that wait already; 0 = no limit. */
  setRate(bytesPerSecond: number): void;
  /** Resolves when so many bytes may pass, in the order of the calls. Rejects with the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** Without a limit until one is set. */
export function createTokenBucket(clock: Pick<Clock, 'steadyMs' | 'sleep'>): TokenBucket {
  void clock;
  throw new Error('not there yet');
}
