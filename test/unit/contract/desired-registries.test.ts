import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { hostileDocument, faultsOf, PLANT, stateOf, textOf } from './documents.ts';

const plantOf = (entry: object, parentHostName?: string) =>
  stateOf({ registryCredentials: { plant: entry } }, { parentHostName }).registries.get('plant');

const CA = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

describe('an entry of registryCredentials', () => {
  it('gives two passwords in the order they are tried', () => {
    const credentials = plantOf(PLANT)?.credentials ?? [];
    expect(credentials.map(({ name, username }) => [name, username])).toEqual([
      ['password', 'token'],
      ['password2', 'token'],
    ]);
    expect(credentials.map(({ password }) => password.reveal())).toEqual(['first', 'second']);
  });

  it.each([
    ['the same as the first', { ...PLANT, password2: 'first' }, ['password']],
    ['empty', { ...PLANT, password2: '' }, ['password']],
    ['the only one', { address: PLANT.address, username: 'token', password2: 'second' }, ['password2']],
  ])('tries no password twice where the second is %s', (_, entry, names) => {
    expect(plantOf(entry)?.credentials.map(({ name }) => name)).toEqual(names);
  });

  it('is anonymous without user name and passwords', () => {
    expect(plantOf({ address: 'plant.local', ca: CA })).toEqual({
      name: 'plant',
      address: 'plant.local',
      credentials: [],
      ca: CA,
    });
  });

  it('puts the parent where $upstream stands', () => {
    expect(plantOf({ address: '$upstream:8000' }, 'parent.local')?.address).toBe('parent.local:8000');
    expect(plantOf({ address: '$upstream' }, 'parent.local')?.address).toBe('parent.local');
  });

  it.each([
    ['a scheme', { ...PLANT, address: 'https://127.0.0.1:8000' }, 'address: must be host[:port]'],
    ['a path', { ...PLANT, address: '127.0.0.1:8000/' }, 'address: must be host[:port]'],
    ['a user name in its address', { ...PLANT, address: 'a:b@plant.local' }, 'address: must be host[:port]'],
    ['a port beyond 65535', { ...PLANT, address: 'plant.local:70000' }, 'address: must be host[:port]'],
    ['a host that Docker takes for a user', { ...PLANT, address: 'plant' }, 'address: must be host[:port]'],
    ['no address', { username: 'a', password: 'b' }, 'address: must be host[:port]'],
    ['$upstream without a parent', { address: '$upstream:80' }, 'address: $upstream stands for the parent'],
    ['a user name alone', { address: 'plant.local', username: 'token' }, 'password: is missing'],
    ['a password alone', { address: 'plant.local', password: 'x' }, 'username: is missing'],
    ['a second password alone', { address: 'plant.local', password2: 'x' }, 'username: is missing'],
    ['an empty user name', { ...PLANT, username: '' }, 'username: must be text'],
    ['an empty password', { ...PLANT, password: '' }, 'password: must be text'],
    ['a number for a password', { ...PLANT, password: 12345 }, 'password: must be text'],
    ['a path for a CA', { ...PLANT, ca: '/etc/ssl/ca.pem' }, 'ca: must hold a PEM certificate'],
  ])('is at fault with %s', (_, entry, fault) => {
    expect(plantOf(entry)).toBeUndefined();
    expect(faultsOf({ registryCredentials: { plant: entry } })).toEqual([
      expect.stringContaining(`registryCredentials.plant.${fault}`),
    ]);
  });

  it('is at fault where it is text', () => {
    expect(faultsOf({ registryCredentials: { plant: '127.0.0.1:8000' } })).toEqual([
      'registryCredentials.plant: must be an object with address',
    ]);
  });

  it.each([['my plant'], ['a.b'], [''], ['ä'], ['x'.repeat(65)], ['__proto__']])(
    'is at fault where it is named %j',
    (name) => {
      const registryCredentials = JSON.parse(`{${JSON.stringify(name)}:{"address":"plant.local"}}`) as object;
      const state = stateOf({ registryCredentials, images: { bare: 'a' } });
      expect(state.registries.size).toBe(0);
      expect(state.faults.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^the name/));
      expect(state.images.get('bare')).toMatchObject({ kind: 'fault', reason: 'UnknownRegistry' });
    },
  );

  it('is at fault where an earlier one by name has its address', () => {
    const state = stateOf({
      registryCredentials: { b: { address: 'plant.local' }, a: { address: 'plant.local' } },
    });
    expect([...state.registries.keys()]).toEqual(['a']);
    expect(state.faults).toEqual([
      { path: 'registryCredentials.b.address', message: 'is also that of a: list each registry once' },
    ]);
  });

  it('keeps an address that only an entry at fault has besides', () => {
    const registryCredentials = {
      a: { address: 'plant.local', password: 'x' },
      b: { address: 'plant.local' },
    };
    expect([...stateOf({ registryCredentials }).registries.keys()]).toEqual(['b']);
  });

  it('shows no credential in any text, whatever surrounds it', () => {
    const hidden = fc.constantFrom('N0-one', 'sees-Th1s').map((word) => `Qx!${word}`);
    const value = fc.oneof(
      hidden,
      fc.array(hidden),
      fc.dictionary(fc.constant('a'), hidden),
      fc.constant(null),
    );
    const entry = fc.record(
      {
        address: fc.oneof(hidden, fc.constant('plant.local')),
        username: value,
        password: value,
        password2: value,
        ca: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('a', 'b', 'c d'), entry),
        hostileDocument.document,
        (entries, other) => {
          const images = { one: 'acme/a:1', two: { image: 'plant.local/a:1', registry: 'a' } };
          const state = stateOf({ settings: other['settings'], registryCredentials: entries, images });
          expect(textOf(state)).not.toContain('Qx!');
          expect(
            JSON.stringify(
              [...state.registries.values()].map(({ credentials }) => credentials.map((c) => c.password)),
            ),
          ).not.toContain('Qx!');
        },
      ),
    );
  });
});
