import pino from 'pino';
import { createRepeatFilter } from '#adapters/log-repeats';
import type { LogRecord } from '#adapters/log-repeats';
import type { LogLevel } from '#core/desired-state';

/** A log whose level can be changed while it runs. */
export interface Logger extends pino.Logger {
  /** undefined: the level it was made with. */
  setLevel(level: LogLevel | undefined): void;
}

/** Syslog severity and tag of each level, as `iotedge logs` and UploadModuleLogs filter them. */
const LEVELS: Readonly<Record<number, readonly [severity: number, tag: string]>> = {
  10: [7, 'VRB'],
  20: [7, 'DBG'],
  30: [6, 'INF'],
  40: [4, 'WRN'],
  50: [3, 'ERR'],
  60: [0, 'FTL'],
};

/**
 * Makes a log that writes one line a record to `write`, in the form of IoT Edge's own modules:
 * `<6> 2026-11-24 12:00:00.000 +00:00 [INF] - image pulled {"image":"camera"}`.
 *
 * @see https://github.com/Azure/iotedge/blob/main/doc/built-in-logs-pull.md
 */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  const destination = {
    write(json: string) {
      const record = JSON.parse(json) as LogRecord;
      const passed = logger.level === 'debug' ? record : pass(record, performance.now());
      if (passed !== undefined) write(formatLine(passed, new Date()));
    },
  };
  const pass = createRepeatFilter();
  const logger = pino({ level, base: null, timestamp: false, serializers: { err: toRecord } }, destination);
  return Object.assign(logger, {
    setLevel(changed: LogLevel | undefined) {
      logger.level = changed ?? level;
    },
  });
}

/** A SyntaxError quotes what could not be read, which may be a piece of a password. */
function toRecord(error: Error): pino.SerializedError {
  return pino.stdSerializers.err(
    error instanceof SyntaxError ? new SyntaxError('what came is not JSON') : error,
  );
}

/** One record of pino's as it is written. */
export function formatLine({ level, msg, ...fields }: LogRecord, at: Date): string {
  const [severity, tag] = LEVELS[level] ?? [6, 'INF'];
  const time = at.toISOString().replace('T', ' ').replace('Z', ' +00:00');
  const details = Object.keys(fields).length === 0 ? '' : ` ${toSafeJson(fields)}`;
  // edgeAgent takes every line for a record of its own.
  const text = (msg ?? '').replaceAll(/\p{Cc}+/gu, ' ').trim();
  return `<${severity}> ${time} [${tag}] - ${text}${details}\n`;
}

/** JSON leaves control characters above ASCII as they are, and terminals obey some of them. */
const toSafeJson = (fields: object): string =>
  JSON.stringify(fields).replaceAll(
    /\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
