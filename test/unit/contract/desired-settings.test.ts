import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { DEFAULT_SETTINGS } from '#core/desired-state';
import { faultsOf, stateOf } from './documents.ts';

const settingsOf = (settings: unknown) => stateOf({ settings }).settings;

describe('settings', () => {
  it('are the documented defaults where none is written', () => {
    expect(settingsOf({})).toEqual(DEFAULT_SETTINGS);
    expect(stateOf({}).settings).toEqual(DEFAULT_SETTINGS);
  });

  it('take every value within its range', () => {
    const settings = {
      maxConcurrentPulls: 16,
      pullTimeoutSeconds: 1,
      stallTimeoutSeconds: 604_800,
      retryInitialSeconds: 1,
      retryMaxSeconds: 1,
      refreshIntervalSeconds: 0,
      reportIntervalSeconds: 1,
      paused: true,
      unlisted: 'remove',
      minFreeDiskMB: 0,
      transport: 'relay',
      maxBytesPerSecond: 1_000_000,
      logLevel: 'debug',
    };
    expect(settingsOf(settings)).toEqual(settings);
    expect(faultsOf({ settings })).toEqual([]);
  });

  it('read a pull window in minutes after midnight', () => {
    const pullWindow = { start: '22:00', end: '05:30', timeZone: 'Europe/Oslo', outsideBytesPerSecond: 10 };
    expect(settingsOf({ pullWindow }).pullWindow).toEqual({
      startMinute: 1320,
      endMinute: 330,
      timeZone: 'Europe/Oslo',
      outsideBytesPerSecond: 10,
    });
    expect(settingsOf({ pullWindow: { start: '00:00', end: '23:59' } }).pullWindow).toEqual({
      startMinute: 0,
      endMinute: 1439,
      timeZone: 'UTC',
      outsideBytesPerSecond: 0,
    });
  });

  it.each([
    ['maxConcurrentPulls', 0],
    ['maxConcurrentPulls', 17],
    ['maxConcurrentPulls', 2.5],
    ['maxConcurrentPulls', '3'],
    ['pullTimeoutSeconds', 0],
    ['stallTimeoutSeconds', -1],
    ['retryMaxSeconds', 604_801],
    ['refreshIntervalSeconds', true],
    ['reportIntervalSeconds', 0],
    ['paused', 'true'],
    ['unlisted', 'delete'],
    ['minFreeDiskMB', -1],
    ['transport', 'Relay'],
    ['maxBytesPerSecond', 1e15],
    ['logLevel', 'trace'],
    ['pullWindow', 'night'],
  ])('leave %s at its default where it is %j', (name, value) => {
    const settings = { [name]: value, paused: name === 'paused' ? value : true };
    expect(settingsOf(settings)).toEqual({ ...DEFAULT_SETTINGS, paused: name !== 'paused' });
    expect(faultsOf({ settings })).toEqual([
      expect.stringMatching(new RegExp(`^settings\\.${name}: must be`)),
    ]);
  });

  it.each([
    ['start', '24:00'],
    ['start', '9:00'],
    ['end', '05:60'],
    ['end', 530],
    ['timeZone', 'Mars/Olympus'],
    ['timeZone', ''],
    ['outsideBytesPerSecond', -1],
  ])('have no pull window where its %s is %j', (name, value) => {
    const pullWindow = { start: '22:00', end: '05:30', timeZone: 'UTC', [name]: value };
    expect(settingsOf({ pullWindow })).toEqual(DEFAULT_SETTINGS);
    expect(faultsOf({ settings: { pullWindow } })).toEqual([
      expect.stringMatching(new RegExp(`^settings\\.pullWindow\\.${name}: must be`)),
    ]);
  });

  it.each([
    [{ retryMaxSeconds: 5 }, 5, 5, []],
    [{ retryInitialSeconds: 2000 }, 2000, 2000, []],
    [
      { retryInitialSeconds: 20, retryMaxSeconds: 15 },
      10,
      15,
      ['settings.retryInitialSeconds: must be at most'],
    ],
    [
      { retryInitialSeconds: 20, retryMaxSeconds: 5 },
      5,
      5,
      ['settings.retryInitialSeconds: must be at most'],
    ],
    [{ retryInitialSeconds: 0, retryMaxSeconds: 5 }, 5, 5, ['settings.retryInitialSeconds: must be a whole']],
  ])('never have %j retry later at first than at last', (settings, initial, max, faults) => {
    expect(settingsOf(settings)).toMatchObject({ retryInitialSeconds: initial, retryMaxSeconds: max });
    expect(faultsOf({ settings })).toEqual(faults.map((fault) => expect.stringContaining(fault)));
  });

  it('all stay at their defaults where they are no object, and the images are read all the same', () => {
    const state = stateOf({ settings: 'fast', images: { a: 'plant.local/a' } });
    expect(state.settings).toEqual(DEFAULT_SETTINGS);
    expect(state.faults.map(({ path }) => path)).toEqual(['settings']);
    expect(state.images.get('a')).toMatchObject({ kind: 'image' });
  });

  it('are each read alike, whatever another one holds', () => {
    const names = Object.keys(DEFAULT_SETTINGS).filter((name) => !name.startsWith('retry'));
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.jsonValue(),
        fc.integer({ min: 1, max: 16 }),
        (name, value, n) => {
          if (name === 'maxConcurrentPulls') return;
          expect(settingsOf({ [name]: value, maxConcurrentPulls: n }).maxConcurrentPulls).toBe(n);
        },
      ),
    );
  });
});
