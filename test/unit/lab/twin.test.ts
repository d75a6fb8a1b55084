import { expect, test } from 'vitest';
import { createTwin, mergePatch } from '#lab/edge/twin';

test('a patch merges objects, deletes by null, and replaces arrays whole', () => {
  const target = { keep: 1, gone: 2, list: [1, 2, 3], inner: { a: 1, b: 2 } };
  expect(mergePatch(target, { gone: null, list: [9], inner: { a: null, c: { d: null, e: 5 } } })).toEqual({
    keep: 1,
    list: [9],
    inner: { b: 2, c: { e: 5 } },
  });
  expect(target.inner).toEqual({ a: 1, b: 2 });
});

test('every change of the desired properties counts the version up, and a replacement leaves nothing behind', () => {
  const twin = createTwin();
  expect(twin.desired()).toEqual({ $version: 1 });
  expect(twin.changeDesired('replace', { a: 1, b: 1 })).toEqual({
    version: 2,
    patch: { a: 1, b: 1, $version: 2 },
  });
  expect(twin.changeDesired('merge', { b: null }).patch).toEqual({ b: null, $version: 3 });
  expect(twin.changeDesired('replace', { c: 1 }).version).toBe(4);
  expect(twin.desired()).toEqual({ c: 1, $version: 4 });
});

test('desired properties that IoT Hub would refuse are an error of whoever sets them', () => {
  const twin = createTwin();
  expect(() => twin.changeDesired('replace', { 'host.name': 1 })).toThrow('forbidden character');
  expect(twin.desired()).toEqual({ $version: 1 });
});

test('the desired properties that were given away do not change when the giver’s object does', () => {
  const twin = createTwin();
  const document = { images: { a: 'a' } };
  twin.changeDesired('replace', document);
  document.images.a = 'b';
  expect(twin.desired()).toMatchObject({ images: { a: 'a' } });
});

test('what edgeHub stored while IoT Hub was away arrives by one synchronisation', () => {
  const twin = createTwin();
  twin.fetch(false);
  twin.report({ a: 1 });
  twin.report({ b: 1, a: null });
  expect(twin.reported()).toEqual({ $version: 1 });
  expect(twin.fetch(true)).toMatchObject({ reported: { b: 1, $version: 1 } });
  expect(twin.synchronise()).toBe(true);
  expect(twin.reported()).toEqual({ b: 1, $version: 2 });
  expect(twin.synchronise()).toBe(false);
});

test('a twin that is fetched is IoT Hub’s, without what edgeHub has not passed up, and so is its own copy from then on', () => {
  const twin = createTwin();
  twin.report({ a: { b: 1, c: 1 } });
  twin.synchronise();
  twin.report({ a: { b: 2 } });
  expect(twin.fetch(false)).toMatchObject({ reported: { a: { b: 1 } } });
  expect(twin.fetch(true)).toMatchObject({ reported: { a: { b: 1 } } });
  twin.synchronise();
  expect(twin.reported()).toMatchObject({ a: { b: 2, c: 1 } });
});

test('what was deleted and set anew before it was passed up still has what IoT Hub had there', () => {
  const twin = createTwin();
  twin.report({ images: { a: { phase: 'Failed', reason: 'NotFound' } } });
  twin.synchronise();
  twin.report({ images: { a: null } });
  twin.report({ images: { a: { phase: 'Pulled' } } });
  twin.synchronise();
  expect(twin.reported()).toMatchObject({ images: { a: { phase: 'Pulled', reason: 'NotFound' } } });
});
