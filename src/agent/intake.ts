import { takeDesired } from '#agent/book';
import type { Book } from '#agent/book';
import type { Clock, Hub, Log, TwinDocument } from '#agent/ports';
import { restoreFrom } from '#agent/restore';
import type { Outlook } from '#agent/status';
import { formatDescription, parseDesired } from '#contract/desired';
import type { DesiredState, LogLevel } from '#core/desired-state';

export interface IntakeDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: Book;
  readonly outlook: Outlook;
  readonly parentHostName: string | undefined;
  /** undefined: as the environment says. */
  readonly setLogLevel: (level: LogLevel | undefined) => void;
}

/** Takes desired properties from the twin into the book. */
export interface Intake {
  /** Reads the last fetched twin, if it was not read before. */
  take(): void;
}

/** Makes an intake that has read no twin yet. */
export function createIntake({
  hub,
  clock,
  log,
  book,
  outlook,
  parentHostName,
  setLogLevel,
}: IntakeDeps): Intake {
  let lastFetch = 0;
  let lastDocument: string | undefined;

  function read({ desired, reported }: TwinDocument): void {
    const document = JSON.stringify(desired);
    if (document === lastDocument) return;
    const parsed = parseDesired(desired, parentHostName === undefined ? {} : { parentHostName });
    if (parsed.kind === 'empty') {
      log.info({}, 'edgeHub knows no desired properties; what is in force stays in force');
      return;
    }
    const version = parsed.kind === 'valid' ? parsed.state.version : parsed.version;
    if (isOlder(version)) return;
    lastDocument = document;
    if (parsed.kind === 'refused') {
      const { code, description } = parsed;
      outlook.lastDesiredStatus = { code, description };
      log.error(
        { version, code, description },
        'desired properties refused; the last valid ones stay in force',
      );
      return;
    }
    const isFirst = book.desired === undefined;
    takeDesired(book, parsed.state, clock.nowMs());
    if (isFirst) outlook.lastReady = restoreFrom(reported, book);
    tell(parsed.state);
  }

  function isOlder(version: number | undefined): boolean {
    const inForce = book.desired?.version;
    if (version === undefined || inForce === undefined || version >= inForce) return false;
    log.warn({ version, inForce }, 'older desired properties ignored');
    return true;
  }

  function tell(state: DesiredState): void {
    const description = formatDescription(state);
    outlook.lastDesiredStatus = { code: state.faults.length > 0 ? 400 : 200, description };
    setLogLevel(state.settings.logLevel);
    const fields = { version: state.version, images: state.images.size, registries: state.registries.size };
    if (description === '') log.info(fields, 'desired properties accepted');
    else log.warn({ ...fields, description }, 'desired properties accepted, with remarks');
  }

  return {
    take() {
      const { twin } = hub;
      if (twin === undefined || twin.fetch === lastFetch) return;
      lastFetch = twin.fetch;
      read(twin);
    },
  };
}
