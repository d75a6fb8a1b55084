import { expect, it } from 'vitest';
import { findShut } from '#core/low-disk';
import type { NewsImage } from '#core/news';
import type { FailureReason, WaitingReason } from '#core/reason';
import type { Standing } from '#core/world';

const message = 'why';
const waiting = (reason: WaitingReason): Standing => ({ phase: 'Waiting', reason, message });
const failed = (reason: FailureReason): Standing => ({ phase: 'Failed', reason, message });

it.each<[string, boolean, Standing | undefined, Partial<NewsImage>, boolean]>([
  ['begins with LowDisk', false, waiting('LowDisk'), {}, true],
  ['does not begin with a full disk that a pull met', false, failed('DiskFull'), {}, false],
  ['goes on in a queue', true, waiting('Queued'), {}, true],
  ['goes on while it is tried', true, { phase: 'Pulling' }, {}, true],
  ['goes on when there was not enough', true, failed('DiskFull'), {}, true],
  ['goes on while the engine is away', true, failed('EngineUnavailable'), { isOwnFailure: false }, true],
  ['ends with another failure', true, failed('NotFound'), {}, false],
  ['ends when the image is here, or is not desired', true, undefined, {}, false],
])('that an image waits for room %s', (...[, wasShut, standing, more, isShut]) => {
  const image = standing && { image: 'a:1', standing, isOwnFailure: standing.phase === 'Failed', ...more };
  const images = new Map(image === undefined ? [] : [['a', image] as const]);
  expect([...findShut(new Set(wasShut ? ['a'] : []), images)]).toEqual(isShut ? ['a'] : []);
});
