import { readFileSync } from 'node:fs';

import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatSchema, toSchemas } from '#contract/schemas';
import { faultsOf, hostileDocument, PLANT } from './documents.ts';

const ajv = new Ajv2020({ allErrors: true });
const validateDesired = compile('desired.schema.json');
const validateReported = compile('reported.schema.json');

function compile(name: string) {
  const schema = toSchemas().get(name);
  if (schema === undefined) throw new Error(`there is no ${name}`);
  const validate = ajv.compile(schema);
  /** Where a document breaks the schema; empty where it keeps it. */
  return (document: unknown): readonly string[] =>
    validate(document) ? [] : (validate.errors ?? []).map(({ instancePath }) => instancePath);
}

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

describe('the schema of the reported properties', () => {
  const reported = {
    schemaVersion: '1.0',
    lastDesiredVersion: 42,
    lastDesiredStatus: { code: 200, description: '' },
    agent: { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z', engine: '28.5.2', platform: 'linux/amd64' },
    summary: {
      ready: false,
      desired: 4,
      pulled: 1,
      pulling: 1,
      waiting: 1,
      failed: 1,
      downloadedBytes: 1,
      totalBytes: 2,
    },
    registries: {
      plant: {
        address: '127.0.0.1:8000',
        login: 'Succeeded',
        credential: 'password2',
        checkedAt: '2026-11-24T12:00:03Z',
      },
      hub: { address: 'x.io', login: 'Failed', reason: 'Unauthorized', message: '…' },
    },
    images: {
      a: {
        image: 'x.io/a:1',
        phase: 'Pulled',
        digest: `sha256:${'a'.repeat(64)}`,
        sizeBytes: 1,
        evictions: 1,
      },
      b: {
        image: 'x.io/b:1',
        phase: 'Pulling',
        percent: 40,
        downloadedBytes: 1,
        totalBytes: 2,
        transport: 'relay',
      },
      c: { image: 'x.io/c:1', phase: 'Waiting', reason: 'OutsideWindow' },
      d: {
        image: 'x.io/d:1',
        phase: 'Failed',
        reason: 'NotFound',
        attempts: 2,
        retryAt: '2026-11-24T12:05:00Z',
      },
    },
    omitted: 12,
  };

  it('is kept by the example of the contract', () => {
    expect(validateReported(reported)).toEqual([]);
  });

  it.each([
    ['another version', { schemaVersion: '1.1' }, '/schemaVersion'],
    ['an unknown property', { extra: 1 }, ''],
    ['an unknown code', { lastDesiredStatus: { code: 500, description: '' } }, '/lastDesiredStatus/code'],
    [
      'a description of 1,001 characters',
      { lastDesiredStatus: { code: 400, description: 'x'.repeat(1001) } },
      '/lastDesiredStatus/description',
    ],
    [
      'a time with parts of a second',
      { agent: { version: '1', startedAt: '2026-11-24T12:00:00.000Z' } },
      '/agent/startedAt',
    ],
    [
      'a reason on a pulled image',
      { images: { a: { image: 'a', phase: 'Pulled', reason: 'Queued' } } },
      '/images/a',
    ],
    ['a failed image without a reason', { images: { a: { image: 'a', phase: 'Failed' } } }, '/images/a'],
    [
      'a reason that waits on a failed image',
      { images: { a: { image: 'a', phase: 'Failed', reason: 'Queued' } } },
      '/images/a/reason',
    ],
    ['a phase that does not exist', { images: { a: { image: 'a', phase: 'Done' } } }, '/images/a/phase'],
    [
      'no attempts written as 0',
      { images: { a: { image: 'a', phase: 'Pulling', attempts: 0 } } },
      '/images/a/attempts',
    ],
    [
      'a long message',
      { images: { a: { image: 'a', phase: 'Failed', reason: 'NotFound', message: 'x'.repeat(257) } } },
      '/images/a/message',
    ],
    [
      'a password',
      { registries: { a: { address: 'a', login: 'Succeeded', password: 'x' } } },
      '/registries/a',
    ],
    [
      'a credential that was refused',
      {
        registries: { a: { address: 'a', login: 'Failed', reason: 'Unauthorized', credential: 'password' } },
      },
      '/registries/a',
    ],
  ])('is broken by %s', (_, part, path) => {
    expect(validateReported({ ...reported, ...part })).toContain(path);
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
