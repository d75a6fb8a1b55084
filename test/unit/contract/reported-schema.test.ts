import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { toReported } from '#contract/reported';
import { toSchemas } from '#contract/schemas';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { ImageStatus, RegistryStatus, Status } from '#core/status';
import { twinSizeBytes } from '#core/twin-size';

const validate = new Ajv2020({ allErrors: true }).compile(toSchemas().get('reported.schema.json') ?? false);

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
  },
  { requiredKeys: ['agent', 'summary', 'registries', 'images'] },
);

it('the reported document keeps its schema and its size, whatever is desired', () => {
  fc.assert(
    fc.property(anyStatus, (status) => {
      const document = toReported(status);
      validate(document);
      expect(validate.errors).toBeNull();
      expect(twinSizeBytes(document)).toBeLessThan(30_000);
    }),
    { numRuns: 150 },
  );
});
