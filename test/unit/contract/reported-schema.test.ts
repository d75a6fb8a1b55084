import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { toReported, withAbsent } from '#contract/reported';
import { ReportedDocument } from '#contract/reported-schema';
import { applyPatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { ImageStatus, RegistryStatus, Status } from '#core/status';
import { twinSizeBytes } from '#core/twin-size';
import { compileSchema } from './documents.ts';

const validateReported = compileSchema('reported.schema.json');

const digest = fc.constant(`sha256:${'a'.repeat(64)}`);
const time = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
const message = fc.string({ unit: 'grapheme', maxLength: 400 });
const failure = fc.constantFrom(...(Object.keys(FAILURES) as FailureReason[]));
const transport = fc.constantFrom('engine' as const, 'relay' as const);
const image = fc.string({ minLength: 1, maxLength: 256 });
const everyPhase = { image, attempts: fc.nat(9), evictions: fc.nat(9) };

const anyImage: fc.Arbitrary<ImageStatus> = fc.oneof(
  fc.record({
    ...everyPhase,
    phase: fc.constant('Waiting' as const),
    reason: fc.constantFrom(
      'Queued' as const,
      'Paused' as const,
      'OutsideWindow' as const,
      'LowDisk' as const,
    ),
    message,
  }),
  fc.record({
    ...everyPhase,
    phase: fc.constant('Pulling' as const),
    percent: fc.nat(100),
    downloadedBytes: fc.nat(),
    totalBytes: fc.nat(),
    transport,
  }),
  fc.record({
    ...everyPhase,
    phase: fc.constant('Pulled' as const),
    attempts: fc.constant(0),
    digest,
    sizeBytes: fc.nat(),
    pulledAtMs: time,
    transport,
  }),
  fc.record(
    { ...everyPhase, phase: fc.constant('Failed' as const), reason: failure, message, retryAtMs: time },
    { requiredKeys: ['image', 'attempts', 'evictions', 'phase', 'reason', 'message'] },
  ),
);

const anyRegistry: fc.Arbitrary<RegistryStatus> = fc.oneof(
  fc.record({
    address: fc.string({ maxLength: 60 }),
    login: fc.constantFrom('Unknown' as const, 'Anonymous' as const),
  }),
  fc.record({
    address: fc.string({ maxLength: 60 }),
    login: fc.constant('Succeeded' as const),
    credential: fc.constantFrom('password' as const, 'password2' as const),
    checkedAtMs: time,
  }),
  fc.record({
    address: fc.string({ maxLength: 60 }),
    login: fc.constant('Failed' as const),
    reason: failure,
    message,
    checkedAtMs: time,
  }),
);

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/).filter((text) => text !== '__proto__');
const named = (entry: ImageStatus, index: number) => [`image-${index}`, entry] as const;
const count = fc.nat(500);
const anyStatus: fc.Arbitrary<Status> = fc.record(
  {
    lastDesiredVersion: fc.nat(),
    lastDesiredStatus: fc.record({
      code: fc.constantFrom(200, 400, 412),
      description: fc.string({ unit: 'grapheme', maxLength: 300 }),
    }),
    agent: fc.record(
      {
        version: fc.constant('1.0.0'),
        startedAtMs: time,
        engine: fc.constant('28.5.2'),
        platform: fc.constant('linux/amd64'),
      },
      { requiredKeys: ['version', 'startedAtMs'] },
    ),
    summary: fc.record(
      {
        isReady: fc.boolean(),
        desired: count,
        pulled: count,
        pulling: count,
        waiting: count,
        failed: count,
        progress: fc.record({ downloadedBytes: fc.nat(), totalBytes: fc.nat(), etaSeconds: fc.nat() }),
        ready: fc.record({ atMs: time, setDigest: digest }),
      },
      { requiredKeys: ['isReady', 'desired', 'pulled', 'pulling', 'waiting', 'failed'] },
    ),
    registries: fc.dictionary(name, anyRegistry, { maxKeys: 12 }).map((map) => new Map(Object.entries(map))),
    images: fc
      .tuple(fc.array(anyImage, { minLength: 1, maxLength: 20, size: 'max' }), fc.constantFrom(1, 5, 30))
      .map(
        ([images, times]) =>
          new Map(
            Array.from({ length: times }, () => images)
              .flat()
              .map(named),
          ),
      ),
    misnamed: fc.constant(0),
  },
  { requiredKeys: ['agent', 'summary', 'registries', 'images', 'misnamed'] },
);

it('the reported document keeps its schema and its size, whatever is desired', () => {
  fc.assert(
    fc.property(anyStatus, (status) => {
      const document = toReported(status);
      expect(validateReported(document)).toEqual([]);
      expect(twinSizeBytes(document)).toBeLessThan(30_000);
    }),
    { numRuns: 150 },
  );
});

describe('a document with what is absent from it', () => {
  it('names every key that the schema has, in each of its parts', () => {
    const { agent, summary, registries, images } = ReportedDocument.shape;
    const toKeys = (...parts: readonly { readonly shape: object }[]): string[] =>
      [...new Set(parts.flatMap(({ shape }) => Object.keys(shape)))].toSorted();
    const named = withAbsent({ agent: {}, summary: {}, registries: { a: {} }, images: { a: {} } });
    const required = {
      document: ['schemaVersion'],
      agent: ['version', 'startedAt'],
      summary: ['ready', 'desired', 'pulled', 'pulling', 'waiting', 'failed'],
      registry: ['address', 'login'],
      image: ['image', 'phase'],
    };
    const keysOf = (part: JsonObject[string] | undefined, more: readonly string[]): string[] =>
      [...Object.keys(part as JsonObject), ...more].toSorted();
    const entryOf = (map: string): JsonObject[string] | undefined => (named[map] as JsonObject)['a'];
    expect(keysOf(named, required.document)).toEqual(toKeys(ReportedDocument));
    expect(keysOf(named['agent'], required.agent)).toEqual(toKeys(agent));
    expect(keysOf(named['summary'], required.summary)).toEqual(toKeys(summary));
    expect(keysOf(entryOf('registries'), required.registry)).toEqual(toKeys(...registries.valueType.options));
    expect(keysOf(entryOf('images'), required.image)).toEqual(toKeys(...images.valueType.options));
  });

  it('is the same document, once it is applied to whatever the same names had', () => {
    fc.assert(
      fc.property(anyStatus, anyStatus, (before, status) => {
        const document = toReported(status);
        const { registries = {}, images = {}, ...head } = toReported(before) as Record<string, JsonObject>;
        const ofNames = (map: JsonObject, names: JsonObject[string] | undefined): JsonObject =>
          Object.fromEntries(Object.entries(map).filter(([key]) => Object.hasOwn(names as JsonObject, key)));
        const there = {
          ...head,
          registries: ofNames(registries, document['registries']),
          images: ofNames(images, document['images']),
        };
        expect(applyPatch(there, withAbsent(document))).toEqual(document);
      }),
      { numRuns: 100 },
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
