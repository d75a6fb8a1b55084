/**
 * A daily span of local time in which pulls may start; it runs over midnight where `end` is before `start`, and is
 * always open where both are the same.
 *
 * Where the clock is put forward over `start` or `end`, that moment is the jump; where it is put back over it, the
 * first of the two counts. A window that lies within the hour left out does not open that day.
 */
export interface PullWindow {
  /** Minutes after local midnight, 0…1439. */
  readonly startMinute: number;
  readonly endMinute: number;
  /** IANA name, for instance `Europe/Oslo`; one that `Intl.DateTimeFormat` takes. */
  readonly timeZone: string;
  /** Relay only: 0 stops outside the window, more goes on that slowly. */
  readonly outsideBytesPerSecond: number;
}

/** Whether pulls may start at `nowMs`, milliseconds since 1970. */
export function isInsideWindow(window: PullWindow, nowMs: number): boolean {
  if (isAlwaysOpen(window)) return true;
  const today = toLocalDay(nowMs, window.timeZone);
  // The days beside it too: a window may have begun yesterday, and a clock put back at midnight returns to yesterday.
  return [today - 1, today, today + 1].some((day) => {
    const { openMs, closeMs } = toSpan(window, day);
    return openMs <= nowMs && nowMs < closeMs;
  });
}

/** The next moment at which pulls may start, milliseconds since 1970: `nowMs` itself inside the window, else later. */
export function nextOpeningMs(window: PullWindow, nowMs: number): number {
  if (isInsideWindow(window, nowMs)) return nowMs;
  for (let day = toLocalDay(nowMs, window.timeZone) - 1; ; day += 1) {
    const { openMs, closeMs } = toSpan(window, day);
    if (openMs > nowMs && closeMs > openMs) return openMs;
  }
}

/** When pulls that run now are outside the window, milliseconds since 1970; undefined where that never comes. */
export function nextClosingMs(window: PullWindow, nowMs: number): number | undefined {
  if (isAlwaysOpen(window) || !isInsideWindow(window, nowMs)) return undefined;
  const today = toLocalDay(nowMs, window.timeZone);
  const spans = [today - 1, today, today + 1].map((day) => toSpan(window, day));
  return Math.max(
    ...spans
      .filter(({ openMs, closeMs }) => openMs <= nowMs && nowMs < closeMs)
      .map(({ closeMs }) => closeMs),
  );
}

/** Bytes a second that may come through the relay now; 0 = no limit. */
export function toRate(
  {
    pullWindow: window,
    maxBytesPerSecond,
  }: { readonly pullWindow?: PullWindow; readonly maxBytesPerSecond: number },
  nowMs: number,
): number {
  const outside = window === undefined || isInsideWindow(window, nowMs) ? 0 : window.outsideBytesPerSecond;
  if (outside === 0 || maxBytesPerSecond === 0) return outside || maxBytesPerSecond;
  return Math.min(outside, maxBytesPerSecond);
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** More than any zone is away from UTC, and less than what lies between two changes of its clock. */
const BEYOND_ANY_OFFSET_MS = 26 * 60 * MINUTE_MS;

const isAlwaysOpen = ({ startMinute, endMinute }: PullWindow): boolean => startMinute === endMinute;

/** When the window that begins on a local day opens and closes; it is empty where both are the same. */
function toSpan({ startMinute, endMinute, timeZone }: PullWindow, day: number) {
  const endDay = endMinute < startMinute ? day + 1 : day;
  return {
    openMs: toInstant(day * DAY_MS + startMinute * MINUTE_MS, timeZone),
    closeMs: toInstant(endDay * DAY_MS + endMinute * MINUTE_MS, timeZone),
  };
}

/** The local day at `atMs`, counted from 1970-01-01. */
function toLocalDay(atMs: number, timeZone: string): number {
  return Math.floor(toLocalMs(atMs, timeZone) / DAY_MS);
}

/** The first moment at which the local clock shows `localMs` or later. */
function toInstant(localMs: number, timeZone: string): number {
  const guesses = [-BEYOND_ANY_OFFSET_MS, BEYOND_ANY_OFFSET_MS].map((shiftMs) => {
    const nearMs = localMs + shiftMs;
    return localMs - (toLocalMs(nearMs, timeZone) - nearMs);
  });
  const exact = guesses.filter((atMs) => toLocalMs(atMs, timeZone) === localMs);
  return exact.length > 0 ? Math.min(...exact) : findJump(localMs, timeZone, guesses);
}

/** The moment at which the local clock jumps over `localMs`: between what the offset before and the one after give. */
function findJump(localMs: number, timeZone: string, guesses: readonly number[]): number {
  let beforeMs = Math.min(...guesses);
  let afterMs = Math.max(...guesses);
  while (afterMs - beforeMs > 1) {
    const middleMs = Math.floor((beforeMs + afterMs) / 2);
    if (toLocalMs(middleMs, timeZone) < localMs) beforeMs = middleMs;
    else afterMs = middleMs;
  }
  return afterMs;
}

/** What the local clock shows at `atMs`, as if it were UTC. */
function toLocalMs(atMs: number, timeZone: string): number {
  // `11/24/2026, 09:00:00`: reading it back takes a sixth of the time that `formatToParts` does.
  const numbers = toFormat(timeZone).format(atMs).match(/\d+/g) ?? [];
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = numbers.map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) + (atMs - Math.floor(atMs / 1000) * 1000);
}

/** Making one costs far more than using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function toFormat(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, format);
  return format;
}
