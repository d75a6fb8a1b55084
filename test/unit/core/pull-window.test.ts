import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isInsideWindow, nextClosingMs, nextOpeningMs, toRate } from '#core/pull-window';
import type { PullWindow } from '#core/pull-window';

const HOUR_MS = 3_600_000;
const STEP_MS = 300_000;

function windowOf(start: string, end: string, timeZone: string): PullWindow {
  const toMinute = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  return { startMinute: toMinute(start), endMinute: toMinute(end), timeZone, outsideBytesPerSecond: 0 };
}

const at = (time: string): number => Date.parse(time);

/** The openings and closings between two times, in UTC, as a look every five minutes shows them. */
function listChanges(window: PullWindow, from: string, until: string): readonly string[] {
  const changes: string[] = [];
  for (let atMs = at(from); atMs < at(until); atMs += STEP_MS) {
    const isInside = isInsideWindow(window, atMs);
    if (isInside !== isInsideWindow(window, atMs - STEP_MS)) {
      changes.push(`${isInside ? 'opens' : 'closes'} ${new Date(atMs).toISOString().slice(5, 16)}`);
    }
  }
  return changes;
}

describe('a pull window', () => {
  it('opens at its start and closes at its end, in local time', () => {
    const window = windowOf('09:00', '17:30', 'Asia/Kathmandu');
    expect(isInsideWindow(window, at('2026-11-24T09:00:00+05:45'))).toBe(true);
    expect(isInsideWindow(window, at('2026-11-24T09:00:00+05:45') - 1)).toBe(false);
    expect(isInsideWindow(window, at('2026-11-24T17:30:00+05:45') - 1)).toBe(true);
    expect(isInsideWindow(window, at('2026-11-24T17:30:00+05:45'))).toBe(false);
  });

  it('runs over midnight where its end is before its start', () => {
    const window = windowOf('22:00', '05:30', 'Europe/Oslo');
    expect(isInsideWindow(window, at('2026-11-24T23:59:59+01:00'))).toBe(true);
    expect(isInsideWindow(window, at('2026-11-25T00:00:00+01:00'))).toBe(true);
    expect(isInsideWindow(window, at('2026-11-25T05:30:00+01:00'))).toBe(false);
    expect(nextOpeningMs(window, at('2026-11-25T05:30:00+01:00'))).toBe(at('2026-11-25T22:00:00+01:00'));
  });

  it('is always open where start and end are the same', () => {
    const window = windowOf('03:00', '03:00', 'America/New_York');
    expect(isInsideWindow(window, at('2026-11-24T12:00:00Z'))).toBe(true);
    expect(nextOpeningMs(window, at('2026-11-24T12:00:00Z'))).toBe(at('2026-11-24T12:00:00Z'));
  });

  it.each([
    ['it starts in the hour left out', '02:30', '05:00', ['opens 03-29T01:00', 'closes 03-29T03:00']],
    ['it ends in the hour left out', '01:00', '02:30', ['opens 03-29T00:00', 'closes 03-29T01:00']],
    ['it lies in the hour left out', '02:10', '02:50', []],
    ['the hour left out is inside', '01:00', '05:00', ['opens 03-29T00:00', 'closes 03-29T03:00']],
  ])('follows a clock put forward where %s', (_, start, end, changes) => {
    const window = windowOf(start, end, 'Europe/Oslo');
    expect(listChanges(window, '2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z')).toEqual(changes);
  });

  it.each([
    ['it starts in the hour that comes twice', '02:30', '05:00', ['opens 10-25T00:30', 'closes 10-25T04:00']],
    ['it ends in the hour that comes twice', '01:00', '02:30', ['opens 10-24T23:00', 'closes 10-25T00:30']],
    ['it lies in the hour that comes twice', '02:10', '02:50', ['opens 10-25T00:10', 'closes 10-25T00:50']],
    ['the hour that comes twice is inside', '01:00', '05:00', ['opens 10-24T23:00', 'closes 10-25T04:00']],
  ])('follows a clock put back where %s', (_, start, end, changes) => {
    const window = windowOf(start, end, 'Europe/Oslo');
    expect(listChanges(window, '2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z')).toEqual(changes);
  });

  it('follows a clock put back by half an hour', () => {
    const window = windowOf('01:45', '02:15', 'Australia/Lord_Howe');
    expect(listChanges(window, '2026-04-04T04:00:00Z', '2026-04-05T04:00:00Z')).toEqual([
      'opens 04-04T14:45',
      'closes 04-04T15:45',
    ]);
  });

  it('opens at the jump where its day was left out altogether', () => {
    // Samoa had no 30 December 2011: the clock went from Thursday to Saturday at 10:00 UTC.
    const night = windowOf('22:00', '05:30', 'Pacific/Apia');
    expect(listChanges(night, '2011-12-30T08:30:00Z', '2011-12-31T08:30:00Z')).toEqual([
      'closes 12-30T15:30',
      'opens 12-31T08:00',
    ]);
    const day = windowOf('09:00', '17:00', 'Pacific/Apia');
    expect(nextOpeningMs(day, at('2011-12-30T04:00:00Z'))).toBe(at('2011-12-30T19:00:00Z'));
  });

  it('opens on a clock that is put back at midnight', () => {
    // Until 2011 Newfoundland changed its clock at 00:01: midnight came twice.
    const window = windowOf('00:00', '01:00', 'America/St_Johns');
    expect(listChanges(window, '2010-11-06T12:00:00Z', '2010-11-07T12:00:00Z')).toEqual([
      'opens 11-07T02:30',
      'closes 11-07T04:30',
    ]);
  });
});

const zones = [
  'Europe/Oslo',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'UTC',
];
const anyWindow = fc.record({
  startMinute: fc.nat(1439),
  endMinute: fc.nat(1439),
  timeZone: fc.constantFrom(...zones, 'America/St_Johns', 'Africa/Casablanca', 'Pacific/Kiritimati'),
  outsideBytesPerSecond: fc.constant(0),
});
const anyTime = fc.oneof(
  fc.integer({ min: at('2000-01-01T00:00:00Z'), max: at('2037-01-01T00:00:00Z') }),
  ...[
    '2026-03-29T01:00Z',
    '2026-10-25T01:00Z',
    '2026-03-08T07:00Z',
    '2026-11-01T06:00Z',
    '2011-12-30T10:00Z',
  ].map((jump) => fc.integer({ min: at(jump) - 30 * HOUR_MS, max: at(jump) + 30 * HOUR_MS })),
);

describe('the next opening', () => {
  it('is inside the window, and the moment before it is outside', () => {
    fc.assert(
      fc.property(anyWindow, anyTime, (window, nowMs) => {
        const opensAtMs = nextOpeningMs(window, nowMs);
        const isInside = isInsideWindow(window, nowMs);
        expect(opensAtMs === nowMs).toBe(isInside);
        expect(isInsideWindow(window, opensAtMs)).toBe(true);
        expect(isInside || !isInsideWindow(window, opensAtMs - 1)).toBe(true);
        expect(opensAtMs).toBeGreaterThanOrEqual(nowMs);
        expect(opensAtMs - nowMs).toBeLessThanOrEqual(73 * HOUR_MS);
      }),
      { numRuns: 1000 },
    );
  });

  it('has no earlier moment inside the window before it', () => {
    fc.assert(
      fc.property(
        anyWindow,
        anyTime,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (window, nowMs, part) => {
          const opensAtMs = nextOpeningMs(window, nowMs);
          const betweenMs = Math.floor(nowMs + (opensAtMs - nowMs) * part);
          expect(nextOpeningMs(window, betweenMs)).toBe(Math.max(opensAtMs, betweenMs));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('shows the start on the local clock wherever that exists', () => {
    fc.assert(
      fc.property(anyWindow, anyTime, (window, nowMs) => {
        const opensAtMs = nextOpeningMs(window, nowMs);
        const options = {
          timeZone: window.timeZone,
          hourCycle: 'h23',
          hour: '2-digit',
          minute: '2-digit',
        } as const;
        const format = new Intl.DateTimeFormat('en-GB', options);
        const [hour = '', minute = ''] = format.format(opensAtMs).split(':');
        const isAtStart = Number(hour) * 60 + Number(minute) === window.startMinute;
        const [before, after] = [format.format(opensAtMs - 60_000), format.format(opensAtMs)];
        const [hourBefore = '', minuteBefore = ''] = before.split(':');
        const isAtJump =
          (Number(hour) * 60 + Number(minute) - Number(hourBefore) * 60 - Number(minuteBefore) + 1440) %
            1440 !==
          1;
        expect(opensAtMs === nowMs || isAtStart || isAtJump, `${before} then ${after}`).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the pace of the link', () => {
  const window = { startMinute: 22 * 60, endMinute: 5 * 60, timeZone: 'UTC', outsideBytesPerSecond: 100 };
  const noon = Date.UTC(2026, 10, 24, 12);
  const midnight = Date.UTC(2026, 10, 24);
  it.each<[string, number, Parameters<typeof toRate>[0], number]>([
    ['has no limit without a setting', noon, { maxBytesPerSecond: 0 }, 0],
    ['is the setting', noon, { maxBytesPerSecond: 50 }, 50],
    ['is the setting inside the window', midnight, { maxBytesPerSecond: 50, pullWindow: window }, 50],
    ['has no limit inside the window', midnight, { maxBytesPerSecond: 0, pullWindow: window }, 0],
    ['is that of outside the window there', noon, { maxBytesPerSecond: 0, pullWindow: window }, 100],
    ['is the lower of both outside the window', noon, { maxBytesPerSecond: 500, pullWindow: window }, 100],
    ['never rises outside the window', noon, { maxBytesPerSecond: 50, pullWindow: window }, 50],
    [
      'is the setting outside a window that stops',
      noon,
      { maxBytesPerSecond: 50, pullWindow: { ...window, outsideBytesPerSecond: 0 } },
      50,
    ],
  ])('%s', (_case, nowMs, settings, rate) => {
    expect(toRate(settings, nowMs)).toBe(rate);
  });

  it('changes when the window closes', () => {
    expect(nextClosingMs(window, midnight)).toBe(Date.UTC(2026, 10, 24, 5));
    expect(nextClosingMs(window, noon)).toBeUndefined();
    expect(nextClosingMs({ ...window, endMinute: window.startMinute }, noon)).toBeUndefined();
  });
});
