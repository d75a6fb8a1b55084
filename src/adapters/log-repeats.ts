/** A record of pino's, parsed. */
export interface LogRecord {
  readonly level: number;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** An unexpected error that comes again and again is a line in this time. */
const QUIET_MS = 10 * 60_000;
const MAX_KNOWN = 50;

/**
 * Makes a filter for unexpected errors (records with `err`): one that was let through in the last ten minutes is held
 * back, and the next one that is let through says how many were (`repeated`). Everything else passes.
 */
export function createRepeatFilter(): (record: LogRecord, nowMs: number) => LogRecord | undefined {
  const known = new Map<string, { readonly sinceMs: number; held: number }>();
  return (record, nowMs) => {
    const { level, msg, err } = record;
    if (typeof err !== 'object' || err === null) return record;
    const { type, message } = err as { type?: unknown; message?: unknown };
    const key = JSON.stringify([level, msg, type, message]);
    const last = known.get(key);
    if (last !== undefined && nowMs - last.sinceMs < QUIET_MS) {
      last.held += 1;
      return undefined;
    }
    known.delete(key);
    known.set(key, { sinceMs: nowMs, held: 0 });
    const [oldest] = known.keys();
    if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
    return last === undefined || last.held === 0 ? record : { ...record, repeated: last.held };
  };
}
