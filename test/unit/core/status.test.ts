import { describe, expect, it } from 'vitest';
import type { DesiredImage } from '#core/desired-state';
import { failed, pulled, toRecord } from '#core/image-record';
import { foldLayer, NO_PROGRESS } from '#core/progress';
import { loggedIn, toRegistryRecord } from '#core/registry-record';
import { countPhases, formatSet, toImageStatus, toRegistryStatus } from '#core/status';
import type { ImageStatus } from '#core/status';
import type { Standing } from '#core/world';
import { MOMENT } from '#test/unit/core/moment';
import { ADDRESS, digestOf, listed, NOW_MS, PLANT, toSpec } from '#test/unit/core/world';

const A = digestOf('a');
const spec = toSpec('app');
const desired: DesiredImage = { kind: 'image', name: 'app', spec };
const record = pulled(toRecord(undefined, spec), { id: A, digest: A, transport: 'engine' }, MOMENT);
const tried = failed(record, { reason: 'NotFound', message: 'no' }, MOMENT);
const image = `${ADDRESS}/app:1`;
const progress = foldLayer(NO_PROGRESS, 'a', { kind: 'downloading', currentBytes: 50, totalBytes: 100 });
const pulledStanding: Standing = { phase: 'Pulled', image: listed(spec), digest: A };

describe('an image is told', () => {
  it.each<[string, ImageStatus, object]>([
    [
      'that waits',
      toImageStatus(desired, { phase: 'Waiting', reason: 'Paused', message: 'paused' }, tried, undefined),
      { image, phase: 'Waiting', reason: 'Paused', message: 'paused', attempts: 1, evictions: 0 },
    ],
    [
      'that failed, with the time of the retry',
      toImageStatus(
        desired,
        { phase: 'Failed', reason: 'NotFound', message: 'no', retryAtMs: 5 },
        tried,
        undefined,
      ),
      { image, phase: 'Failed', reason: 'NotFound', message: 'no', attempts: 1, evictions: 0, retryAtMs: 5 },
    ],
    [
      'that failed for good',
      toImageStatus(desired, { phase: 'Failed', reason: 'Cancelled', message: 'no' }, tried, undefined),
      { image, phase: 'Failed', reason: 'Cancelled', message: 'no', attempts: 1, evictions: 0 },
    ],
    [
      'that is pulled just now',
      toImageStatus(desired, { phase: 'Pulling' }, tried, { progress, transport: 'engine' }),
      {
        image,
        phase: 'Pulling',
        percent: 40,
        downloadedBytes: 50,
        totalBytes: 100,
        transport: 'engine',
        attempts: 1,
        evictions: 0,
      },
    ],
    [
      'of whose pull nothing was said yet',
      toImageStatus(desired, { phase: 'Pulling' }, undefined, undefined),
      {
        image,
        phase: 'Pulling',
        percent: 0,
        downloadedBytes: 0,
        totalBytes: 0,
        transport: 'engine',
        attempts: 0,
        evictions: 0,
      },
    ],
    [
      'that is there, without the failures before',
      toImageStatus(desired, pulledStanding, { ...tried, evictions: 2 }, undefined),
      {
        image,
        phase: 'Pulled',
        digest: A,
        sizeBytes: 1000,
        pulledAtMs: NOW_MS,
        transport: 'engine',
        attempts: 0,
        evictions: 2,
      },
    ],
    [
      'that is there, and of which little is known',
      toImageStatus(desired, { phase: 'Pulled', image: listed(spec) }, undefined, undefined),
      {
        image,
        phase: 'Pulled',
        id: listed(spec).id,
        sizeBytes: 1000,
        transport: 'engine',
        attempts: 0,
        evictions: 0,
      },
    ],
  ])('%s', (_, status, expected) => {
    expect(status).toEqual(expected);
  });

  it.each([
    ['as it was written', { image: 'UPPER' }, 'UPPER'],
    ['without a name, where it was no text', {}, ''],
  ])('%s where it cannot be resolved', (_, part, written) => {
    const fault: DesiredImage = {
      kind: 'fault',
      name: 'app',
      reason: 'InvalidImage',
      message: 'no',
      ...part,
    };
    const standing: Standing = { phase: 'Failed', reason: 'InvalidImage', message: 'no' };
    expect(toImageStatus(fault, standing, undefined, undefined)).toMatchObject({
      image: written,
      phase: 'Failed',
    });
  });
});

describe('a registry is told', () => {
  const begun = toRegistryRecord(undefined, PLANT);
  const open = toRegistryRecord(undefined, { name: 'open', address: 'open:5000', credentials: [] });
  const refusal = { reason: 'Unauthorized', message: 'no' } as const;

  it.each([
    ['before the first login', begun, { address: ADDRESS, login: 'Unknown' }],
    [
      'with the credential that was accepted',
      loggedIn(begun, { kind: 'accepted', credential: 'password2' }, MOMENT),
      { address: ADDRESS, login: 'Succeeded', credential: 'password2', checkedAtMs: NOW_MS },
    ],
    [
      'with the reason of the failure, and without credential',
      loggedIn(begun, { kind: 'failed', ...refusal }, MOMENT),
      { address: ADDRESS, login: 'Failed', ...refusal, checkedAtMs: NOW_MS },
    ],
    ['that is open', open, { address: 'open:5000', login: 'Anonymous' }],
    [
      'that is open, and was found there',
      loggedIn(open, { kind: 'accepted' }, MOMENT),
      { address: 'open:5000', login: 'Anonymous', checkedAtMs: NOW_MS },
    ],
    [
      'that is open, and was not found there',
      loggedIn(open, { kind: 'failed', reason: 'RegistryUnreachable', message: 'no' }, MOMENT),
      {
        address: 'open:5000',
        login: 'Failed',
        reason: 'RegistryUnreachable',
        message: 'no',
        checkedAtMs: NOW_MS,
      },
    ],
  ])('%s', (_, registry, expected) => {
    expect(toRegistryStatus(registry)).toEqual(expected);
    expect(JSON.stringify(toRegistryStatus(registry))).not.toMatch(/one|two|secret/);
  });
});

it('phases are counted, and their sum is what is desired', () => {
  const phases = ['Pulled', 'Pulled', 'Failed', 'Waiting', 'Pulling', 'Pulled'] as const;
  const images = phases.map((phase): ImageStatus => ({ image, phase, attempts: 0, evictions: 0 }));
  expect(countPhases(images, 0)).toEqual({ desired: 6, pulled: 3, pulling: 1, waiting: 1, failed: 1 });
  expect(countPhases(images, 2)).toEqual({ desired: 8, pulled: 3, pulling: 1, waiting: 1, failed: 3 });
  expect(countPhases([], 0)).toEqual({ desired: 0, pulled: 0, pulling: 0, waiting: 0, failed: 0 });
});

it('the lines of a set are sorted, whatever order the images have', () => {
  const toStatus = (digest?: string): ImageStatus => ({
    image,
    phase: 'Pulled',
    attempts: 0,
    evictions: 0,
    ...(digest === undefined ? {} : { digest }),
  });
  const entries = [
    ['b', toStatus('sha256:2')],
    ['a', toStatus('sha256:1')],
    ['a-b', toStatus()],
  ] as const;
  const text = 'a-b=\na=sha256:1\nb=sha256:2\n';
  expect(formatSet(new Map(entries))).toBe(text);
  expect(formatSet(new Map(entries.toReversed()))).toBe(text);
  expect(formatSet(new Map())).toBe('');
});
