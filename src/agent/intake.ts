import { takeDesired } from '#agent/book';
import type { Book } from '#agent/book';
import type { Recalled, Remembrance } from '#agent/memory';
import type { Clock, Hub, Log, TwinDocument } from '#agent/ports';
import { restoreRecords, toFormerReady } from '#agent/restore';
import { keepFormer, takeFormerReady } from '#agent/outlook';
import type { Outlook } from '#agent/outlook';
import { formatDescription, parseDesired } from '#contract/desired';
import type { DesiredState, LogLevel } from '#core/desired-state';
import type { JsonObject } from '#core/merge-patch';
import { withoutPasswords } from '#core/registry-record';
import { toSortedJson } from '#core/sorted-json';

export interface IntakeDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: Book;
  readonly outlook: Outlook;
  readonly remembrance: Remembrance | undefined;
  readonly parentHostName: string | undefined;
  /** SHA-256 of UTF-8 text, in hexadecimal. */
  readonly sha256: (text: string) => string;
  /** undefined: as the environment says. */
  readonly setLogLevel: (level: LogLevel | undefined) => void;
}

/** Takes desired properties into the book, from the twin or, while there is none, from what was remembered. */
export interface Intake {
  /** Reads the last fetched twin, if it was not read before. Never throws. */
  take(): void;
  /** Says what was in force before the restart, and again when its passwords are known: the same again is no change. */
  expect(recalled: Recalled): void;
  /** Takes that over, unless a twin has come; to be called when enough was waited for one. */
  takeRecalled(): void;
  /** Whether what edgeHub gave was refused, and there is nothing to be taken over instead. */
  readonly hasNothing: boolean;
}

const RECALLED = 'from this device’s memory: edgeHub was not reached since the start';
const NO_PASSWORD = 'The password is not kept on this device; it comes with the desired properties.';

/** Makes an intake that has read no twin yet. */
export function createIntake(deps: IntakeDeps): Intake {
  const { hub, clock, log, book, outlook, remembrance, setLogLevel } = deps;
  const context = deps.parentHostName === undefined ? {} : { parentHostName: deps.parentHostName };
  let lastFetch = 0;
  /** Of the document in force. */
  let lastSha256: string | undefined;
  /** Whether that one came from memory, without its faults and perhaps without its passwords. */
  let isRecalled = false;
  /** What is to be taken over. */
  let recalled: Recalled | undefined;
  /** What was, and is in force until a twin comes. */
  let fromMemory: DesiredState | undefined;
  /** The last that edgeHub gave: what a restart remembers may be of a twin that was made anew since. */
  let givenVersion: number | undefined;
  /** What the first twin showed of the process before: this one's own reports come on top of it. */
  let former: TwinDocument['reported'] | undefined;
  /** Whether edgeHub was said to know nothing: it is asked every half minute then. */
  let isEmpty = false;

  function read({ desired, reported }: TwinDocument): void {
    // edgeHub merges patches into a copy of its own, whose keys may stand in another order.
    const sha256 = deps.sha256(toSortedJson(desired));
    if (sha256 === lastSha256 && !isRecalled) return;
    const parsed = parseDesired(desired, context);
    if (parsed.kind === 'empty') {
      if (!isEmpty) log.info({}, 'edgeHub knows no desired properties; what is in force stays in force');
      isEmpty = true;
      return;
    }
    isEmpty = false;
    if (former === undefined) {
      former = reported;
      takeFormerReady(outlook, toFormerReady(former));
    }
    const version = parsed.kind === 'valid' ? parsed.state.version : parsed.version;
    if (isOlder(version)) return;
    const isChanged = sha256 !== lastSha256;
    lastSha256 = sha256;
    isRecalled = false;
    if (parsed.kind === 'refused') {
      const { code, description } = parsed;
      outlook.lastDesiredStatus = { code, description };
      log.error(
        { version, code, description },
        'desired properties refused; the last valid ones stay in force',
      );
      return;
    }
    const isFirst = book.desired === undefined && book.images.size === 0;
    keepFormer(outlook, book);
    takeDesired(book, parsed.state, clock.nowMs(), isChanged);
    givenVersion = version;
    if (isFirst) restoreRecords(former, book);
    remembrance?.keepDesired(desired as JsonObject, sha256);
    tell(parsed.state, '');
  }

  function isOlder(version: number | undefined): boolean {
    if (version === undefined || givenVersion === undefined || version >= givenVersion) return false;
    log.warn({ version, inForce: givenVersion }, 'older desired properties ignored');
    return true;
  }

  function tell(state: DesiredState, origin: string): void {
    const faults = formatDescription(state);
    const description = [origin, faults]
      .filter((part) => part !== '')
      .join('; ')
      .slice(0, 1000);
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
      try {
        read(twin);
      } catch (error) {
        log.error({ err: error }, 'the twin could not be read; what is in force stays in force');
      }
    },
    get hasNothing() {
      if (recalled !== undefined || remembrance?.isReading === true) return false;
      return book.desired === undefined && outlook.lastDesiredStatus !== undefined;
    },
    expect(expected) {
      recalled = expected;
      // Its passwords may come late: after a twin, too, that was refused.
      if (lastSha256 !== undefined) return;
      lastSha256 = expected.sha256;
      isRecalled = true;
    },
    takeRecalled() {
      if (book.desired !== fromMemory || recalled === undefined) return;
      const { document, withoutPasswords: unknown } = recalled;
      recalled = undefined;
      const parsed = parseDesired(document, context);
      if (parsed.kind !== 'valid') return;
      takeDesired(book, parsed.state, clock.nowMs(), false);
      fromMemory = parsed.state;
      for (const name of unknown) {
        const registry = book.registries.get(name);
        if (registry !== undefined) {
          book.registries.set(name, withoutPasswords(registry, NO_PASSWORD, clock.nowMs()));
        }
      }
      // Desired properties that were refused meanwhile are what is told: these are only what stays in force.
      if (outlook.lastDesiredStatus === undefined) tell(parsed.state, RECALLED);
      else setLogLevel(parsed.state.settings.logLevel);
    },
  };
}
