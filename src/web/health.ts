import type { Summary } from '#core/status';
import { toTextAnswer } from '#web/answer';
import type { WebAnswer } from '#web/answer';

/** Whether the module itself works: what is away around it has no say in that, for a restart would not bring it back. */
export function toHealthAnswer(isAlive: boolean): WebAnswer {
  return isAlive
    ? toTextAnswer(200, 'The module works.')
    : toTextAnswer(503, 'The module hangs: its loop has not come round for minutes.');
}

/** Whether every desired image is on the device: `summary.ready`. */
export function toReadyAnswer({ isReady, desired, pulled, failed }: Summary): WebAnswer {
  if (isReady) return toTextAnswer(200, `Ready: ${pulled} of ${desired} images.`);
  return toTextAnswer(503, `Not ready: ${pulled} of ${desired} images, ${failed} failed.`);
}
