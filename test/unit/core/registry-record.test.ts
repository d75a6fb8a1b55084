import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { DesiredRegistry } from '#core/desired-state';
import {
  loggedIn,
  loginDemanded,
  shiftedRegistry,
  toCredential,
  toCredentials,
  toLoginDueMs,
  toRegistryRecord,
  withoutPasswords,
} from '#core/registry-record';
import type { LoginOutcome, RegistryRecord } from '#core/registry-record';
import { Secret } from '#core/secret';
import { MOMENT } from '#test/unit/core/moment';
import { NOW_MS, PLANT } from '#test/unit/core/world';

const OPEN: DesiredRegistry = { name: 'open', address: 'open:5000', credentials: [] };
const REFUSED: LoginOutcome = { kind: 'failed', reason: 'Unauthorized', message: 'no' };
const byFirst: LoginOutcome = { kind: 'accepted', credential: 'password' };
const bySecond: LoginOutcome = { kind: 'accepted', credential: 'password2' };

const begin = (registry = PLANT): RegistryRecord => toRegistryRecord(undefined, registry);
const login = (record: RegistryRecord, ...outcomes: readonly LoginOutcome[]): RegistryRecord =>
  outcomes.reduce((before, outcome) => loggedIn(before, outcome, MOMENT), record);

describe('a registry', () => {
  it('is logged in to at once, and not at all where it is open', () => {
    expect(toLoginDueMs(begin())).toBe(0);
    expect(toLoginDueMs(begin(OPEN))).toBeUndefined();
    expect(begin(OPEN).login).toEqual({ kind: 'accepted' });
  });

  it.each<[string, Partial<DesiredRegistry>]>([
    ['its address', { address: '127.0.0.1:8001' }],
    ['its authority', { ca: 'PEM' }],
    ['a user name', { credentials: PLANT.credentials.map((one) => ({ ...one, username: 'other' })) }],
    ['a password', { credentials: PLANT.credentials.map((one) => ({ ...one, password: new Secret('x') })) }],
    ['the number of passwords', { credentials: PLANT.credentials.slice(1) }],
  ])('is begun anew by a change of %s', (_, change) => {
    const before = login(begin(), byFirst);
    expect(toRegistryRecord(before, { ...PLANT, ...change })).toMatchObject({ login: { kind: 'unknown' } });
  });

  it('is kept where the same stands there again', () => {
    const before = login(begin(), byFirst);
    const same = {
      ...PLANT,
      credentials: PLANT.credentials.map((one) => ({ ...one, password: new Secret(one.password.reveal()) })),
    };
    expect(toRegistryRecord(before, same)).toBe(before);
  });

  it('is begun anew where the password that was accepted has another name', () => {
    const [{ username, password } = { username: '', password: new Secret('') }] = PLANT.credentials;
    const toRecord = (name: 'password' | 'password2'): DesiredRegistry => ({
      ...PLANT,
      credentials: [{ name, username, password }],
    });
    const renamed = toRegistryRecord(login(begin(toRecord('password')), byFirst), toRecord('password2'));
    expect(toLoginDueMs(renamed)).toBe(0);
    expect(toCredential(renamed)?.password.reveal()).toBe(password.reveal());
  });
});

describe('a login', () => {
  it('that is accepted is repeated at the refresh interval', () => {
    const record = login(begin(), byFirst);
    expect(record.login).toEqual({ ...byFirst, checkedAtMs: NOW_MS });
    expect(toLoginDueMs(record)).toBe(NOW_MS + 0.9 * DEFAULT_SETTINGS.refreshIntervalSeconds * 1000);
  });

  it('is never repeated where nothing is refreshed, not even at the time that was due before', () => {
    const policy = { ...DEFAULT_SETTINGS, refreshIntervalSeconds: 0 };
    const record = loggedIn(login(begin(), byFirst), byFirst, { ...MOMENT, policy });
    expect(toLoginDueMs(record)).toBeUndefined();
  });

  it('that fails is tried again with growing delays', () => {
    const delays = [1, 2, 3].map((times) => {
      const record = login(begin(), ...Array.from({ length: times }, () => REFUSED));
      return (toLoginDueMs(record) ?? 0) - NOW_MS;
    });
    expect(delays).toEqual([10_000, 20_000, 40_000]);
  });

  it('that is accepted ends the row of failures and the suspicion', () => {
    const record = login({ ...begin(), isSuspect: true }, REFUSED, byFirst);
    expect(record).toMatchObject({ attempts: 0, isSuspect: false });
    expect(toLoginDueMs(login(record, REFUSED))).toBe(NOW_MS + 10_000);
  });

  it('is due at once where a pull raised suspicion, at an open registry too', () => {
    expect(toLoginDueMs({ ...login(begin(), byFirst), isSuspect: true })).toBe(0);
    expect(toLoginDueMs({ ...begin(OPEN), isSuspect: true })).toBe(0);
    expect(login({ ...begin(), isSuspect: true }, REFUSED).isSuspect).toBe(false);
  });

  it('that failed is tried now on demand, and one that nobody doubts is not', () => {
    expect(toLoginDueMs(loginDemanded(login(begin(), REFUSED), NOW_MS))).toBe(NOW_MS);
    expect(loginDemanded(login(begin(), REFUSED, REFUSED), NOW_MS).attempts).toBe(0);
    const accepted = login(begin(), byFirst);
    expect(loginDemanded(accepted, NOW_MS)).toBe(accepted);
  });

  it('without passwords waits for them, on demand too', () => {
    const record = withoutPasswords(begin(), 'not kept', NOW_MS);
    expect(record.login).toMatchObject({ kind: 'failed', reason: 'Unauthorized', message: 'not kept' });
    expect(toLoginDueMs(record)).toBeUndefined();
    expect(toLoginDueMs(loginDemanded(record, NOW_MS))).toBeUndefined();
  });
});

describe('the passwords', () => {
  const toNames = (record: RegistryRecord): string[] => toCredentials(record).map(({ name }) => name);

  it('are tried as they stand, and then the one first that was accepted last', () => {
    expect(toNames(begin())).toEqual(['password', 'password2']);
    expect(toNames(login(begin(), bySecond))).toEqual(['password2', 'password']);
    expect(toNames(login(begin(), bySecond, byFirst))).toEqual(['password', 'password2']);
    expect(toNames(login(begin(), bySecond, REFUSED))).toEqual(['password', 'password2']);
  });

  it('that was accepted is the one to pull with', () => {
    expect(toCredential(login(begin(), bySecond))?.name).toBe('password2');
    expect(toCredential(begin())?.name).toBe('password');
    expect(toCredential(login(begin(), REFUSED))?.name).toBe('password');
    expect(toCredential(begin(OPEN))).toBeUndefined();
    expect(toCredential(login(begin(OPEN), { kind: 'accepted' }))).toBeUndefined();
  });
});

it.each([
  ['waits for its refresh', login(begin(), byFirst)],
  ['waits for its retry', login(begin(), REFUSED)],
  ['was begun', begin()],
])('a record that %s moves with the clock of the machine, and back', (_, record) => {
  const moved = shiftedRegistry(record, 5000);
  const dueMs = toLoginDueMs(record);
  expect(toLoginDueMs(moved)).toBe(dueMs === undefined || dueMs === 0 ? dueMs : dueMs + 5000);
  expect(shiftedRegistry(moved, -5000)).toEqual(record);
});
