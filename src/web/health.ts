import type { Overview } from '#core/overview';
import { toTextAnswer } from '#web/answer';
import type { WebAnswer } from '#web/answer';

/** Whether the module itself works: what is away around it has no say in that, for a restart would not bring it back. */
export function toHealthAnswer(isAlive: boolean): WebAnswer {
  return isAlive
    ? toTextAnswer(200, 'The module works.')
    : toTextAnswer(503, 'The module hangs: its loop has not come round for minutes.');
}

/** Whether every desired image is on the device: `summary.ready`, of which a module that hangs knows nothing any more. */
export function toReadyAnswer({ status, isAlive }: Overview): WebAnswer {
  const { isReady, desired, pulled, failed } = status.summary;
  const count = `${pulled} of ${desired} images`;
  if (!isAlive) return toTextAnswer(503, `Not ready: the module hangs; before that it was ${count}.`);
  if (isReady) return toTextAnswer(200, `Ready: ${count}.`);
  return toTextAnswer(503, `Not ready: ${count}, ${failed} failed.`);
}
