import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_REPORTED_BYTES, toReported, toWhole } from '#contract/reported';
import type { JsonObject } from '#core/merge-patch';
import { FAILURES } from '#core/reason';
import type { ImageStatus, RegistryStatus, Status } from '#core/status';
import { twinSizeBytes } from '#core/twin-size';

const AT_MS = Date.UTC(2026, 10, 24, 12, 0, 0, 999);
const PHASES: readonly ImageStatus['phase'][] = ['Failed', 'Pulling', 'Waiting', 'Pulled'];

function toImage(phase: ImageStatus['phase'], messageLength = 100): ImageStatus {
  const base = { image: '127.0.0.1:8000/acme/camera:1.4', phase, attempts: 2, evictions: 1 };
  const message = 'm'.repeat(messageLength);
  switch (phase) {
    case 'Failed':
      return { ...base, reason: 'NotFound', message, retryAtMs: AT_MS };
    case 'Waiting':
      return { ...base, reason: 'Queued', message };
    case 'Pulling':
      return { ...base, percent: 40, downloadedBytes: 4, totalBytes: 10, transport: 'engine' };
    case 'Pulled':
      return {
        ...base,
        digest: `sha256:${'a'.repeat(64)}`,
        sizeBytes: 10,
        pulledAtMs: AT_MS,
        transport: 'engine',
      };
  }
}

const toRegistry = (index: number): RegistryStatus => ({
  address: `registry-${index}.example:8000`,
  login: 'Failed',
  reason: 'Unauthorized',
  message: 'm'.repeat(200),
  checkedAtMs: AT_MS,
});

/** `count` images, whose phases come round in turn unless one is given. */
function toStatus(count: number, phase?: ImageStatus['phase'], registries = 1): Status {
  const images = Array.from({ length: count }, (_, index) => {
    const turn = PHASES[index % PHASES.length] ?? 'Failed';
    return [`image-${String(index).padStart(3, '0')}`, toImage(phase ?? turn)] as const;
  });
  return {
    lastDesiredVersion: 7,
    lastDesiredStatus: { code: 200, description: '' },
    agent: { version: '1.0.0', startedAtMs: AT_MS },
    summary: { isReady: false, desired: count, pulled: 1, pulling: 2, waiting: 3, failed: 4 },
    registries: new Map(Array.from({ length: registries }, (_, index) => [`r${index}`, toRegistry(index)])),
    images: new Map(images),
    misnamed: 0,
  };
}

const toEntries = (document: JsonObject, key: string): JsonObject[] =>
  Object.values((document[key] ?? {}) as JsonObject) as JsonObject[];
const countByPhase = (document: JsonObject): Record<string, number> => {
  const entries = toEntries(document, 'images');
  return Object.fromEntries(
    PHASES.map((phase) => [phase, entries.filter((one) => one['phase'] === phase).length]),
  );
};
const hasAny = (document: JsonObject, keys: readonly string[]): boolean =>
  [...toEntries(document, 'images'), ...toEntries(document, 'registries')].some((entry) =>
    keys.some((key) => key in entry),
  );

describe('a document that fits', () => {
  it('has everything, times in whole seconds, and no zeroes', () => {
    expect(toReported(toStatus(4))).toEqual({
      schemaVersion: '1.0',
      lastDesiredVersion: 7,
      lastDesiredStatus: { code: 200, description: '' },
      agent: { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z' },
      summary: { ready: false, desired: 4, pulled: 1, pulling: 2, waiting: 3, failed: 4 },
      registries: {
        r0: {
          address: 'registry-0.example:8000',
          login: 'Failed',
          reason: 'Unauthorized',
          message: 'm'.repeat(200),
          checkedAt: '2026-11-24T12:00:00Z',
        },
      },
      images: {
        'image-000': expect.objectContaining({
          phase: 'Failed',
          retryAt: '2026-11-24T12:00:00Z',
          attempts: 2,
        }),
        'image-001': expect.objectContaining({ phase: 'Pulling', percent: 40, downloadedBytes: 4 }),
        'image-002': expect.objectContaining({
          phase: 'Waiting',
          reason: 'Queued',
          message: 'm'.repeat(100),
        }),
        'image-003': expect.objectContaining({
          phase: 'Pulled',
          pulledAt: '2026-11-24T12:00:00Z',
          evictions: 1,
        }),
      },
    });
    const well = { ...toImage('Pulled'), attempts: 0, evictions: 0 };
    const [entry] = toEntries(toReported({ ...toStatus(0), images: new Map([['a', well]]) }), 'images');
    expect(Object.keys(entry ?? {})).toEqual([
      'image',
      'phase',
      'digest',
      'sizeBytes',
      'pulledAt',
      'transport',
    ]);
  });

  it('has messages of at most 256 characters', () => {
    const toMessage = (length: number): unknown => {
      const images = new Map([['a', toImage('Failed', length)]]);
      return toEntries(toReported({ ...toStatus(0), images }), 'images')[0]?.['message'];
    };
    expect(toMessage(256)).toBe('m'.repeat(256));
    expect(toMessage(257)).toBe(`${'m'.repeat(255)}…`);
  });
});

describe('a document that is too long', () => {
  const MESSAGES = ['message'];
  const SIZES_AND_TIMES = ['downloadedBytes', 'totalBytes', 'sizeBytes', 'retryAt', 'pulledAt', 'checkedAt'];

  it('goes without messages first, then without sizes and times, then without entries', () => {
    const stages = [10, 130, 160, 180, 220, 260, 300, 350].map((count) => {
      const document = toReported(toStatus(count));
      if ('omitted' in document) return 'entries';
      if (!hasAny(document, SIZES_AND_TIMES)) return 'sizes and times';
      return hasAny(document, MESSAGES) ? 'nothing' : 'messages';
    });
    expect(new Set(stages)).toEqual(new Set(['nothing', 'messages', 'sizes and times', 'entries']));
    const order = ['nothing', 'messages', 'sizes and times', 'entries'];
    expect(stages).toEqual(stages.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
  });

  it('leaves out what is well first, and what failed last', () => {
    for (const count of [320, 400, 480, 600, 1200]) {
      const document = toReported(toStatus(count));
      expect(document).toHaveProperty('omitted');
      const kept = countByPhase(document);
      const each = count / 4;
      const order = [kept['Failed'], kept['Pulling'], kept['Waiting'], kept['Pulled']];
      const cutAt = order.findIndex((number) => number !== each);
      // All before the phase that is cut are whole, and all after it are gone.
      expect(order.slice(0, cutAt)).toEqual(order.slice(0, cutAt).map(() => each));
      expect(order.slice(cutAt + 1)).toEqual(order.slice(cutAt + 1).map(() => 0));
    }
    expect(countByPhase(toReported(toStatus(1200)))).toMatchObject({ Pulled: 0, Waiting: 0 });
    expect(countByPhase(toReported(toStatus(1200)))['Failed']).toBeGreaterThan(100);
  });

  it('leaves out no more than it must', () => {
    const document = toReported(toStatus(500, 'Failed'));
    const [entry = {}] = toEntries(document, 'images');
    expect(twinSizeBytes(document) + twinSizeBytes({ 'image-000': entry })).toBeGreaterThanOrEqual(
      MAX_REPORTED_BYTES,
    );
  });

  it('is told exactly, summary and number of entries left out', () => {
    for (const [count, registries] of [
      [400, 1],
      [500, 40],
      [1, 600],
      [0, 600],
      [2000, 0],
    ] as const) {
      const document = toReported(toStatus(count, undefined, registries));
      const kept = toEntries(document, 'images').length + toEntries(document, 'registries').length;
      expect(document['omitted']).toBe(count + registries - kept);
      expect(document['summary']).toEqual({
        ready: false,
        desired: count,
        pulled: 1,
        pulling: 2,
        waiting: 3,
        failed: 4,
      });
    }
  });

  it('gives registries a third and no more', () => {
    const document = toReported(toStatus(500, 'Failed', 500));
    expect(twinSizeBytes(document['registries'] ?? {})).toBeLessThanOrEqual(10_000);
    expect(toEntries(document, 'images').length).toBeGreaterThan(100);
  });

  it('keeps the images that are left in their order, and is the same for the same status', () => {
    const document = toReported(toStatus(500));
    const names = Object.keys(document['images'] ?? {});
    expect(names).toEqual(names.toSorted());
    expect(JSON.stringify(toReported(toStatus(500)))).toBe(JSON.stringify(document));
  });

  it('is under the limit and tells what it left out, for any mixture', () => {
    const anyImages = fc.array(
      fc.tuple(fc.constantFrom(...PHASES), fc.nat(400)).map(([phase, length]) => toImage(phase, length)),
      { maxLength: 400, size: 'max' },
    );
    fc.assert(
      fc.property(anyImages, fc.nat(200), (images, registries) => {
        const named = images.map((image, index) => [`image-${index}`, image] as const);
        const status = { ...toStatus(0, undefined, registries), images: new Map(named) };
        const document = toReported(status);
        expect(twinSizeBytes(document)).toBeLessThan(MAX_REPORTED_BYTES);
        const kept = toEntries(document, 'images').length + toEntries(document, 'registries').length;
        expect(document['omitted'] ?? 0).toBe(images.length + registries - kept);
      }),
      { numRuns: 25 },
    );
  });
});

it('the whole of a status leaves nothing out, and says what to do about each failure', () => {
  const { registries, images } = toWhole(toStatus(500, undefined, 50));
  expect(images).toHaveLength(500);
  expect(registries).toHaveLength(50);
  expect(images[0]?.[1]).toMatchObject({
    phase: 'Failed',
    message: 'm'.repeat(100),
    advice: expect.any(String),
  });
  expect(images[2]?.[1]).toMatchObject({ phase: 'Waiting', reason: 'Queued' });
  expect(images[2]?.[1]).not.toHaveProperty('advice');
});

it('the whole of a status says what to do about an image that waits for room on the disk', () => {
  const { image, attempts, evictions } = toImage('Waiting', 100);
  const waiting = { image, phase: 'Waiting', reason: 'LowDisk', attempts, evictions } as const;
  const { images } = toWhole({ ...toStatus(0), images: new Map([['large', waiting]]) });
  expect(images[0]?.[1]).toMatchObject({ advice: FAILURES.DiskFull.advice });
});
