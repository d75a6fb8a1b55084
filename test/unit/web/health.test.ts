import { expect, it } from 'vitest';
import { toReadyAnswer } from '#web/health';
import { makeOverview, MISSING, PULLED } from './overview.ts';

it('says that all images are there, or how many are not', () => {
  expect(toReadyAnswer(makeOverview({ images: { a: PULLED } }))).toMatchObject({
    status: 200,
    body: 'Ready: 1 of 1 images.\n',
  });
  expect(toReadyAnswer(makeOverview({ images: { a: PULLED, b: MISSING } }))).toMatchObject({
    status: 503,
    body: 'Not ready: 1 of 2 images, 1 failed.\n',
  });
});

it('a module that hangs does not say that all images are there, for it knows only that they were', () => {
  expect(toReadyAnswer(makeOverview({ images: { a: PULLED }, isAlive: false }))).toMatchObject({
    status: 503,
    body: 'Not ready: the module hangs; before that it was 1 of 1 images.\n',
  });
});
