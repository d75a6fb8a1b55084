/** Exponential backoff, in seconds as the settings have them. */
export interface BackoffPolicy {
  readonly retryInitialSeconds: number;
  readonly retryMaxSeconds: number;
}

const JITTER = 0.2;

/**
 * Delay before the next attempt, in milliseconds, after `failures` failures in a row (at least 1): never less than
 * `retryInitialSeconds`, never more than `retryMaxSeconds`, and spread over a fifth so that devices that failed
 * together do not come back together.
 *
 * @param random - in [0, 1)
 */
export function backoffMs(failures: number, policy: BackoffPolicy, random: number): number {
  const maxMs = policy.retryMaxSeconds * 1000;
  const initialMs = Math.min(policy.retryInitialSeconds * 1000, maxMs);
  const exponentialMs = initialMs * 2 ** (failures - 1);
  const jitteredMs = exponentialMs * (1 + JITTER * random);
  return Math.round(jitteredMs <= maxMs ? jitteredMs : Math.max(initialMs, maxMs * (1 - JITTER * random)));
}

/** `delayMs` lengthened or shortened by up to a tenth, so that a fleet's timers drift apart. */
export function jitterMs(delayMs: number, random: number): number {
  return Math.round(delayMs * (0.9 + 0.2 * random));
}
