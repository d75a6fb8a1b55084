import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  parseCancelPulls,
  parseGetStatus,
  parseGetTaskStatus,
  parsePullImages,
  PayloadError,
} from '#contract/methods';

describe('the payload of a direct method', () => {
  it.each([
    [undefined],
    [null],
    [''],
    [{}],
    [{ schemaVersion: '1.3' }],
    [{ images: null, schemaVersion: null }],
  ])('means all defaults where it is %j', (payload) => {
    expect(parseGetStatus(payload)).not.toHaveProperty('images');
    expect(parsePullImages(payload)).toMatchObject({ force: false });
    expect(parseCancelPulls(payload)).not.toHaveProperty('images');
  });

  it('is read property by property', () => {
    expect(parseGetStatus({ images: ['a'], after: 'b' })).toMatchObject({ images: ['a'], after: 'b' });
    expect(parsePullImages({ images: [], force: true })).toMatchObject({ images: [], force: true });
    expect(parseCancelPulls({ images: ['a', 'b'] })).toMatchObject({ images: ['a', 'b'] });
    expect(parseGetTaskStatus({ schemaVersion: '1.0', correlationId: 'x' })).toMatchObject({
      correlationId: 'x',
    });
  });

  it('may hold properties that this version does not know', () => {
    expect(parsePullImages({ force: true, urgency: 'high' })).toEqual({ schemaVersion: '1.0', force: true });
  });

  it.each([
    ['a list', parseGetStatus, [], 'the payload must be an object'],
    ['text', parseGetStatus, 'all', 'the payload must be an object'],
    ['another major version', parsePullImages, { schemaVersion: '2.0' }, 'schemaVersion: must be "1.0"'],
    ['a version as a number', parsePullImages, { schemaVersion: 1 }, 'schemaVersion: must be "1.0"'],
    ['images as text', parsePullImages, { images: 'camera' }, 'images: must be a list of names'],
    ['a number among the images', parseCancelPulls, { images: ['a', 7] }, 'images.1: must be text'],
    ['a null among the images', parseCancelPulls, { images: [null] }, 'images.0: must be text'],
    ['force as text', parsePullImages, { force: 'yes' }, 'force: must be true or false'],
    ['after as a number', parseGetStatus, { after: 1 }, 'after: must be text'],
    ['no correlationId', parseGetTaskStatus, {}, 'correlationId: must be the correlationId'],
    ['an empty correlationId', parseGetTaskStatus, { correlationId: '' }, 'correlationId: must be'],
    [
      'several faults',
      parsePullImages,
      { images: 1, force: 1 },
      'images: must be a list of names from properties.desired.images; force: must be',
    ],
  ])('does not fit with %s, and says where', (_, parse, payload, message) => {
    expect(() => parse(payload)).toThrow(PayloadError);
    expect(() => parse(payload)).toThrow(message);
  });

  it('is read, or refused with a PayloadError, whatever it holds', () => {
    const parsers = fc.constantFrom<(payload: unknown) => unknown>(
      parseGetStatus,
      parsePullImages,
      parseCancelPulls,
      parseGetTaskStatus,
    );
    const property = fc.constantFrom(
      'images',
      'after',
      'force',
      'schemaVersion',
      'correlationId',
      '__proto__',
    );
    fc.assert(
      fc.property(
        parsers,
        fc.oneof(fc.anything(), fc.dictionary(property, fc.jsonValue())),
        (parse, payload) => {
          expect(isReadOrRefused(() => parse(payload))).toBe(true);
        },
      ),
    );
  });
});

function isReadOrRefused(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    return error instanceof PayloadError;
  }
}
