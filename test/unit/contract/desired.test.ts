import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatDescription, parseDesired } from '#contract/desired';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { DesiredState } from '#core/desired-state';
import { hostileDocument, PLANT, stateOf } from './documents.ts';

describe('the desired document as a whole', () => {
  it.each([
    ['nothing', undefined, 400],
    ['null', null, 400],
    ['a list', [], 400],
    ['text', 'images', 400],
    ['images as a list', { $version: 7, images: ['a'] }, 400],
    ['images as text', { $version: 7, images: 'a' }, 400],
    ['registryCredentials as a list', { $version: 7, registryCredentials: [PLANT] }, 400],
    ['another major version', { $version: 7, schemaVersion: '2.0' }, 412],
    ['a major version that starts with 1', { $version: 7, schemaVersion: '10.0' }, 412],
    ['a version that is no text', { $version: 7, schemaVersion: 1 }, 412],
  ])('is refused where it is %s', (_, document, code) => {
    const parsed = parseDesired(document, {});
    expect(parsed).toMatchObject({ kind: 'refused', code, description: expect.stringMatching(/must be/) });
  });

  it('keeps its version where it is refused, so that the report can speak of it', () => {
    expect(parseDesired({ $version: 7, images: [] }, {})).toMatchObject({ version: 7 });
    expect(parseDesired({ images: [] }, {})).not.toHaveProperty('version');
  });

  it.each([[{}], [{ $metadata: {} }], [{ $version: 'x' }], [{ $version: null }]])(
    'means that nothing is known where %j is all there is',
    (document) => {
      expect(parseDesired(document, {})).toEqual({ kind: 'empty' });
    },
  );

  it('means that nothing is wanted where $version is all there is', () => {
    expect(parseDesired({ $version: 3 }, {})).toEqual({
      kind: 'valid',
      state: {
        version: 3,
        registries: new Map(),
        faultyRegistries: new Map(),
        images: new Map(),
        misnamedImages: [],
        settings: DEFAULT_SETTINGS,
        faults: [],
        unknownProperties: [],
      },
    });
  });

  it.each([['1.0'], ['1'], ['1.7'], [null]])('takes schemaVersion %j', (schemaVersion) => {
    expect(parseDesired({ schemaVersion, images: {} }, {})).toMatchObject({ kind: 'valid' });
  });

  it('takes null for absent in every place that a layer may have deleted', () => {
    const state = stateOf({
      registryCredentials: { old: null, plant: { ...PLANT, ca: null } },
      images: { gone: null, hello: { image: 'hello-world', platform: null, tagAs: null } },
      settings: { paused: null, pullWindow: null },
    });
    expect(state.faults).toEqual([]);
    expect([...state.images.keys()]).toEqual(['hello']);
    expect(stateOf({ images: null, registryCredentials: null, settings: null }).faults).toEqual([]);
  });

  it('names unknown properties by path, in order, and ignores those of IoT Hub', () => {
    const state = stateOf({
      $metadata: { $lastUpdated: 'x' },
      layeredProperties: {},
      registryCredentials: { plant: { ...PLANT, adress: 'x' } },
      images: { camera: { image: 'a:1', plattform: 'linux/amd64', $metadata: {} }, short: 'b:1' },
      settings: { pause: true, pullWindow: { start: '22:00', end: '23:00', zone: 'UTC' } },
    });
    expect(state.unknownProperties).toEqual([
      'images.camera.plattform',
      'layeredProperties',
      'registryCredentials.plant.adress',
      'settings.pause',
      'settings.pullWindow.zone',
    ]);
    expect(state.faults).toEqual([]);
  });

  it('never throws, and describes itself in at most 1,000 characters, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), hostileDocument.document, hostileDocument.value), (document) => {
        const parsed = parseDesired(document, { parentHostName: 'parent.local' });
        if (parsed.kind !== 'valid') return;
        const { state } = parsed;
        expect(formatDescription(state).length).toBeLessThanOrEqual(1000);
        expect(formatDescription(state)).not.toMatch(/\p{Cc}/u);
        expect(formatDescription(state).isWellFormed()).toBe(true);
        for (const { name, message } of faultyImages(state)) {
          expect(message.length).toBeLessThanOrEqual(256);
          expect(state.faults.map(({ path }) => path).join()).toContain(`images.${name}`);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('reads the same from the same document', () => {
    fc.assert(
      fc.property(hostileDocument.document, (document) => {
        expect(parseDesired(structuredClone(document), {})).toEqual(parseDesired(document, {}));
      }),
    );
  });
});

const faultyImages = ({ images }: DesiredState) =>
  [...images.values()].filter((image) => image.kind === 'fault');

describe('the description', () => {
  it('is empty where nothing is wrong', () => {
    expect(formatDescription(stateOf({ images: {} }))).toBe('');
  });

  it('holds the faults by path before the unknown properties', () => {
    const state = stateOf({ aaa: 1, settings: { paused: 1, logLevel: 'loud' } });
    expect(formatDescription(state)).toBe(
      'settings.logLevel: must be debug, info, warn or error; settings.paused: must be true or false; aaa: unknown property, ignored',
    );
  });

  it('says how many more there are where not all fit', () => {
    const images = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`image${i}`, 7]));
    const description = formatDescription(stateOf({ images }));
    const shown = description.split('; ').length - 1;
    expect(description).toMatch(/^images\.image0: must be an image reference/);
    expect(description.endsWith(`; and ${100 - shown} more`)).toBe(true);
    expect(description.length).toBeGreaterThan(900);
  });

  it('is cut where one fault alone is too long', () => {
    const faults = [{ path: 'images.a', message: 'x'.repeat(5000) }];
    expect(formatDescription({ ...stateOf({}), faults }).length).toBeLessThanOrEqual(1000);
  });
});
