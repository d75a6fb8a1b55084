/** How far a transfer may run ahead of its rate, so that a timer that fires late costs no bandwidth. */
const BURST_MS = 50;

/** Hands out bandwidth in the order in which it is asked for. */
export interface Throttle {
  /** How long to wait before these bytes may be sent, at this rate. */
  delayMs(bytes: number, bytesPerSecond: number, nowMs: number): number;
}

/** A throttle that has never been asked. */
export function createThrottle(): Throttle {
  let paidUntilMs = 0;
  return {
    delayMs(bytes, bytesPerSecond, nowMs) {
      const startMs = Math.max(paidUntilMs, nowMs - BURST_MS);
      paidUntilMs = startMs + (bytes / bytesPerSecond) * 1000;
      return Math.max(0, paidUntilMs - nowMs);
    },
  };
}

/** How finely to cut a transfer for its rate to look even: 20 pieces a second, 512 bytes to 64 KiB each. */
export function pieceBytes(bytesPerSecond: number): number {
  return Math.min(65_536, Math.max(512, Math.floor(bytesPerSecond / 20)));
}
