import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import * as transitions from '#core/image-record';
import type { ImageRecord } from '#core/image-record';
import { MOMENT } from '#test/unit/core/moment';
import { digestOf, NOW_MS, toReference, toSpec } from '#test/unit/core/world';

const { cancelled, checked, checkFailed, cleared, demanded, failed, healed } = transitions;
const { pulled, seen, settled, shifted, toImageKey, toRecord, vanished } = transitions;

const A = digestOf('a');
const B = digestOf('b');
const SPEC = toSpec('app');
const NEW = toRecord(undefined, SPEC);
const NOT_FOUND = { reason: 'NotFound', message: 'no such tag' } as const;
const REFRESH_MS = 0.9 * DEFAULT_SETTINGS.refreshIntervalSeconds * 1000;

const isPulled = pulled(NEW, { id: 'id', digest: A, transport: 'engine' }, MOMENT);
const isFailed = failed(NEW, NOT_FOUND, MOMENT);
const isDemanded = demanded(isFailed, true);

describe('the record of an entry that changed', () => {
  it.each([
    ['another tag', { reference: toReference('app', '2') }],
    ['another registry', { registry: 'other' }],
    ['no registry', { registry: undefined }],
    ['another platform', { platform: { os: 'linux', architecture: 'arm64' } }],
    ['a digest', { reference: { ...toReference('app'), digest: A } }],
  ])('is begun anew for %s', (_, change) => {
    const { registry: _registry, ...rest } = SPEC;
    const spec =
      'registry' in change && change.registry === undefined ? rest : { ...SPEC, ...(change as object) };
    expect(toRecord(isPulled, spec)).toEqual(toRecord(undefined, spec));
    expect(toImageKey(spec)).not.toBe(NEW.key);
  });

  it.each([
    ['another policy', { pullPolicy: 'if-not-present' as const }],
    ['another priority', { priority: 9 }],
    ['other names', { tagAs: [toReference('x')] }],
  ])('is kept for %s', (_, change) => {
    expect(toRecord(isPulled, { ...SPEC, ...change })).toEqual(isPulled);
  });

  it('forgets a failure with a change of the desired properties, and keeps the count', () => {
    expect(toRecord(isFailed, SPEC).failure).toBeUndefined();
    expect(toRecord(isFailed, SPEC).attempts).toBe(1);
    expect(toRecord(isFailed, SPEC, false)).toEqual(isFailed);
  });

  it('is demanded by another pullRequest, once', () => {
    const once = toRecord(isPulled, { ...SPEC, pullRequest: 1 });
    expect(once).toMatchObject({ pullRequest: 1, isRequested: true });
    expect(failed(once, { reason: 'NotFound', message: 'no' }, MOMENT)).toHaveProperty('isRequested');
    expect(settled(once, false)).toHaveProperty('isRequested');
    expect(cancelled(once)).not.toHaveProperty('isRequested');
    const done = pulled(once, { id: A, digest: A, transport: 'engine' }, MOMENT);
    expect(done).not.toHaveProperty('isRequested');
    expect(toRecord(done, { ...SPEC, pullRequest: 1 })).not.toHaveProperty('isRequested');
    expect(toRecord(done, { ...SPEC, pullRequest: 0 })).toHaveProperty('isRequested');
    expect(toRecord(undefined, { ...SPEC, pullRequest: 1 })).not.toHaveProperty('isRequested');
  });

  it('is still demanded by what was asked for while a pull of it went on', () => {
    const brought = { id: A, digest: A, transport: 'engine' } as const;
    const begun = demanded(isPulled, false);
    expect(pulled(begun, brought, MOMENT, begun)).toMatchObject({ demandMet: true });
    expect(pulled(demanded(begun, true), brought, MOMENT, begun)).toMatchObject({ demand: { force: true } });
    const requested = toRecord(begun, { ...SPEC, pullRequest: 1 });
    expect(pulled(requested, brought, MOMENT, begun)).toMatchObject({ isRequested: true });
  });
});

describe('a demand', () => {
  it('ends the backoff and the spread, and counts outside the window', () => {
    const record = demanded({ ...isFailed, notBeforeMs: NOW_MS + 1 }, false);
    expect(record).toMatchObject({ demand: { force: false }, attempts: 1 });
    expect(record).not.toHaveProperty('failure');
    expect(record).not.toHaveProperty('notBeforeMs');
  });

  it('stays forced where it was', () => {
    expect(demanded(demanded(NEW, true), false).demand?.force).toBe(true);
  });

  it.each<[string, ImageRecord, boolean | undefined]>([
    ['met by a pull', pulled(isDemanded, { id: 'id', digest: A, transport: 'engine' }, MOMENT), true],
    ['not met by a failure', failed(isDemanded, NOT_FOUND, MOMENT), false],
    ['not met by a cancellation', cancelled(isDemanded), false],
    ['not met by a check that fails', checkFailed(isDemanded, MOMENT), false],
    ['met by a check that finds the tag where it was', checked(demanded(isPulled, false), A, MOMENT), true],
    ['not settled by a check that finds it moved', checked(demanded(isPulled, false), B, MOMENT), undefined],
  ])('is %s', (_, record, isMet) => {
    expect(record.demandMet).toBe(isMet);
    expect(record.demand === undefined).toBe(isMet !== undefined);
  });

  it('that was made since an attempt began outlives it, though that failed', () => {
    const isSince = demanded(isPulled, true);
    expect(checkFailed(isSince, MOMENT, isPulled).demand).toEqual({ force: true });
    expect(checkFailed(isSince, MOMENT, isSince).demand).toBeUndefined();
    const after = transitions.failedBefore(isSince, NOT_FOUND, MOMENT);
    expect(after.demand).toEqual({ force: true });
    expect(after.failure?.retryAtMs).toBe(MOMENT.nowMs);
  });

  it('that nobody made is not settled', () => {
    expect(settled(NEW, true)).toBe(NEW);
    expect(pulled(NEW, { id: 'id', digest: A, transport: 'engine' }, MOMENT)).not.toHaveProperty('demandMet');
  });
});

describe('a pull', () => {
  it('that brought the image ends the failures, and is the next check too', () => {
    const record = pulled(
      failed(isFailed, NOT_FOUND, MOMENT),
      { id: 'id', digest: A, transport: 'engine' },
      MOMENT,
    );
    expect(record).toEqual({
      ...NEW,
      pulledAs: { id: 'id', digest: A, transport: 'engine' },
      seen: { digest: A, sinceMs: NOW_MS },
      servedDigest: A,
      checkedGeneration: 1,
      nextCheckAtMs: NOW_MS + REFRESH_MS,
    });
  });

  it('that brought the same again keeps the time since when it is there', () => {
    const later = { ...MOMENT, nowMs: NOW_MS + 5000 };
    expect(pulled(isPulled, { id: 'id', digest: A, transport: 'engine' }, later).seen?.sinceMs).toBe(NOW_MS);
    expect(pulled(isPulled, { id: 'id2', digest: B, transport: 'engine' }, later).seen?.sinceMs).toBe(
      NOW_MS + 5000,
    );
  });

  it('that brought the same again dates nothing whose time is not known', () => {
    const undated = { ...isPulled, seen: { digest: A } };
    expect(pulled(undated, { id: 'id', digest: A, transport: 'engine' }, MOMENT).seen).toEqual({ digest: A });
    expect(pulled(undated, { id: 'id2', digest: B, transport: 'engine' }, MOMENT).seen).toEqual({
      digest: B,
      sinceMs: NOW_MS,
    });
  });

  it('that failed is tried again after a growing delay', () => {
    const again = failed(isFailed, NOT_FOUND, MOMENT);
    expect(isFailed).toMatchObject({ attempts: 1, failure: { ...NOT_FOUND, retryAtMs: NOW_MS + 10_000 } });
    expect(again).toMatchObject({ attempts: 2, failure: { retryAtMs: NOW_MS + 20_000 } });
    expect(failed(cleared(again), NOT_FOUND, MOMENT)).toMatchObject({
      attempts: 3,
      failure: { retryAtMs: NOW_MS + 40_000 },
    });
  });

  it('that only the operator can help is not tried again', () => {
    expect(failed(NEW, NOT_FOUND, MOMENT, false).failure).toEqual(NOT_FOUND);
    expect(cancelled(NEW).failure).toEqual({ reason: 'Cancelled', message: expect.any(String) });
  });
});

describe('a check', () => {
  it('that worked comes again at the refresh interval, and never without one', () => {
    expect(checked(isPulled, B, MOMENT)).toMatchObject({
      servedDigest: B,
      nextCheckAtMs: NOW_MS + REFRESH_MS,
    });
    const policy = { ...DEFAULT_SETTINGS, refreshIntervalSeconds: 0 };
    expect(checked(NEW, A, { ...MOMENT, policy })).not.toHaveProperty('nextCheckAtMs');
  });

  it('that failed comes again after a growing delay, and touches neither the image nor its attempts', () => {
    const once = checkFailed(isPulled, MOMENT);
    const twice = checkFailed(once, MOMENT);
    expect(once).toMatchObject({
      checkFailures: 1,
      nextCheckAtMs: NOW_MS + 10_000,
      attempts: 0,
      seen: isPulled.seen,
    });
    expect(twice).toMatchObject({ checkFailures: 2, nextCheckAtMs: NOW_MS + 20_000 });
    expect(checked(twice, A, MOMENT).checkFailures).toBe(0);
  });
});

describe('an image in the engine', () => {
  it('is dated from when it was seen first, by digest or else by the engine’s id', () => {
    expect(seen(NEW, { digest: A }, NOW_MS).seen).toEqual({ digest: A, sinceMs: NOW_MS });
    expect(seen(isPulled, { digest: A }, NOW_MS + 1)).toBe(isPulled);
    expect(seen(isPulled, { digest: B }, NOW_MS + 1).seen).toEqual({ digest: B, sinceMs: NOW_MS + 1 });
    const loaded = seen(NEW, { id: 'one' }, NOW_MS);
    expect(loaded.seen).toEqual({ id: 'one', sinceMs: NOW_MS });
    expect(seen(loaded, { id: 'one' }, NOW_MS + 1)).toBe(loaded);
    expect(seen(loaded, { id: 'other' }, NOW_MS + 1).seen).toEqual({ id: 'other', sinceMs: NOW_MS + 1 });
  });

  it('that stands as wanted ends the failures, whoever brought it', () => {
    expect(healed(isFailed)).toMatchObject({ attempts: 0 });
    expect(healed(isFailed)).not.toHaveProperty('failure');
    expect(healed(isPulled)).toBe(isPulled);
  });

  it('that vanished is counted, and pulled again within the first retry delay', () => {
    for (const [random, delayMs] of [
      [0, 0],
      [0.5, 5000],
      [0.999_99, 10_000],
    ] as const) {
      const record = vanished(isPulled, { ...MOMENT, random });
      expect(record).toMatchObject({ evictions: 1, notBeforeMs: NOW_MS + delayMs });
      expect(record).not.toHaveProperty('seen');
      expect(record).not.toHaveProperty('servedDigest');
    }
  });

  it('that was never there has not vanished', () => {
    expect(vanished(NEW, MOMENT)).toBe(NEW);
    expect(vanished(vanished(isPulled, MOMENT), MOMENT).evictions).toBe(1);
  });
});

/** Every transition, under whatever it takes. */
const anyMoment = fc
  .record({ nowMs: fc.integer({ min: NOW_MS, max: NOW_MS + 1e9 }), random: fc.constantFrom(0, 0.3, 0.99) })
  .map((part) => ({ ...MOMENT, ...part }));
const anyDigest = fc.constantFrom(A, B);
type Transition = (record: ImageRecord) => ImageRecord;
const anyTransition: fc.Arbitrary<Transition> = fc.oneof(
  fc.boolean().map(
    (force): Transition =>
      (record) =>
        demanded(record, force),
  ),
  fc.boolean().map(
    (isMet): Transition =>
      (record) =>
        settled(record, isMet),
  ),
  fc.constantFrom<Transition>(cancelled, cleared, healed),
  fc.tuple(anyDigest, anyMoment).map(
    ([digest, moment]): Transition =>
      (record) =>
        pulled(record, { id: digest, digest, transport: 'engine' }, moment),
  ),
  fc.tuple(fc.boolean(), anyMoment).map(
    ([isRetried, moment]): Transition =>
      (record) =>
        failed(record, NOT_FOUND, moment, isRetried),
  ),
  fc.tuple(anyDigest, anyMoment).map(
    ([digest, moment]): Transition =>
      (record) =>
        checked(record, digest, moment),
  ),
  anyMoment.map(
    (moment): Transition =>
      (record) =>
        checkFailed(record, moment),
  ),
  fc.tuple(anyDigest, anyMoment).map(
    ([digest, { nowMs }]): Transition =>
      (record) =>
        seen(record, { digest }, nowMs),
  ),
  anyMoment.map(
    (moment): Transition =>
      (record) =>
        vanished(record, moment),
  ),
  fc.boolean().map(
    (isChanged): Transition =>
      (record) =>
        toRecord(record, SPEC, isChanged),
  ),
);

describe('whatever happens to an image', () => {
  it('its record stays sound: counts never fall but by success, and nothing is undefined', () => {
    fc.assert(
      fc.property(fc.array(anyTransition, { maxLength: 30 }), (steps) => {
        let record = NEW;
        for (const step of steps) {
          const next = step(record);
          expect(next.key).toBe(NEW.key);
          expect(next.evictions - record.evictions).toBeOneOf([0, 1]);
          expect(next.attempts).toBeOneOf([0, record.attempts, record.attempts + 1]);
          expect(Object.values(next)).not.toContain(undefined);
          record = next;
        }
      }),
    );
  });

  it('its record moves with the clock of the machine, and back', () => {
    fc.assert(
      fc.property(fc.array(anyTransition, { maxLength: 20 }), fc.integer(), (steps, byMs) => {
        const record = steps.reduce((before, step) => step(before), NEW);
        const moved = shifted(record, byMs);
        expect(shifted(moved, -byMs)).toEqual(record);
        for (const [before, after] of [
          [record.failure?.retryAtMs, moved.failure?.retryAtMs],
          [record.nextCheckAtMs, moved.nextCheckAtMs],
          [record.notBeforeMs, moved.notBeforeMs],
        ]) {
          expect(after).toBe(before === undefined ? undefined : before + byMs);
        }
      }),
    );
  });
});
