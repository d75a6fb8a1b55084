import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatSchema, toSchemas } from '#contract/schemas';
import { compileSchema, faultsOf, hostileDocument, PLANT } from './documents.ts';

const validateDesired = compileSchema('desired.schema.json');

describe('a published schema', () => {
  it.each([...toSchemas()])('stands in schema/%s as scripts/write-schemas.ts writes it', (name, schema) => {
    const written = readFileSync(new URL(`../../../schema/${name}`, import.meta.url), 'utf8');
    expect(written).toBe(formatSchema(schema));
  });

  it.each([...toSchemas()])('%s names draft 2020-12 and a title', (_, schema) => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: expect.stringContaining('version 1.0'),
    });
  });
});

describe('the schema of the desired properties', () => {
  it('has passwords that are written and never read', () => {
    const text = formatSchema(toSchemas().get('desired.schema.json') ?? {});
    expect(text.match(/"writeOnly": true/g)).toHaveLength(2);
  });

  it('has an example that keeps it, and that the parser takes without a fault', () => {
    const schema: { examples?: object[] } = toSchemas().get('desired.schema.json') ?? {};
    expect(schema.examples).toHaveLength(1);
    for (const example of schema.examples ?? []) {
      expect(validateDesired(example)).toEqual([]);
      expect(faultsOf(example)).toEqual([]);
    }
  });

  it.each([
    ['nothing', {}],
    ['what IoT Hub adds', { $version: 4, $metadata: {} }],
    ['unknown properties', { layeredProperties: {}, images: { a: { image: 'a', plattform: 1 } } }],
    ['deleted entries', { images: { a: null }, registryCredentials: { b: null } }],
    ['a registry without credentials', { registryCredentials: { plant: { address: 'plant.local' } } }],
    ['every setting', { settings: { maxConcurrentPulls: 1, pullWindow: { start: '22:00', end: '05:30' } } }],
  ])('is kept with %s', (_, document) => {
    expect(validateDesired(document)).toEqual([]);
  });

  it.each([
    ['another major version', { schemaVersion: '2.0' }, '/schemaVersion'],
    ['images as a list', { images: ['a'] }, '/images'],
    ['an illegal name', { images: { 'a.b': 'x' } }, '/images'],
    [
      'a scheme in an address',
      { registryCredentials: { a: { address: 'http://x' } } },
      '/registryCredentials/a/address',
    ],
    ['no address', { registryCredentials: { a: {} } }, '/registryCredentials/a'],
    ['an image without image', { images: { a: {} } }, '/images/a'],
    ['a priority beyond 100', { images: { a: { image: 'x', priority: 101 } } }, '/images/a/priority'],
    ['a tag list as text', { images: { a: { image: 'x', tagAs: 'y' } } }, '/images/a/tagAs'],
    ['a setting as text', { settings: { maxConcurrentPulls: '3' } }, '/settings/maxConcurrentPulls'],
    [
      'a time without a zero',
      { settings: { pullWindow: { start: '9:00', end: '10:00' } } },
      '/settings/pullWindow/start',
    ],
  ])('is broken by %s', (_, document, path) => {
    expect(validateDesired(document)).toContain(path);
    expect(isRefusedOrFaulty(document)).toBe(true);
  });

  it('is kept by whatever the parser takes without a fault', () => {
    const any = fc.constantFrom<unknown[]>(
      3,
      'always',
      ['x.io/a:1'],
      true,
      '22:00',
      'plant',
      -1,
      'a b',
      [7],
      {},
    );
    const mostly = (...values: unknown[]) =>
      fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...values) }, any);
    const image = fc.record(
      {
        image: mostly('a', 'x.io/b:1'),
        platform: mostly('linux/amd64', 'linux/arm64/v8'),
        pullPolicy: mostly('always', 'if-not-present'),
        tagAs: mostly([], ['x.io/b:1']),
        priority: mostly(-100, 100),
      },
      { requiredKeys: ['image'] },
    );
    const settings = fc.record(
      {
        maxConcurrentPulls: mostly(1, 16),
        paused: mostly(true),
        pullWindow: fc.record({ start: mostly('22:00'), end: mostly('05:30'), timeZone: mostly('UTC') }),
      },
      { requiredKeys: [] },
    );
    const images = fc.dictionary(fc.constantFrom('a', 'b', 'c-d'), image, { maxKeys: 2 });
    const document = fc.record({ images, settings }, { requiredKeys: [] });
    fc.assert(
      fc.property(fc.oneof(document, hostileDocument.document.map(withoutNulls)), (written) => {
        const complete = { registryCredentials: { plant: PLANT }, ...written };
        expect(isRefusedOrFaulty(complete) || validateDesired(complete).length === 0).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

function isRefusedOrFaulty(document: object): boolean {
  try {
    return faultsOf(document).length > 0;
  } catch {
    return true;
  }
}

/** JSON without nulls: an absent property to the parser, which the schema knows of entries alone. */
function withoutNulls(document: object): object {
  return JSON.parse(JSON.stringify(document, (_, value: unknown) => value ?? undefined)) as object;
}
