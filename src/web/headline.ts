import type { Overview } from '#core/overview';
import { formatCount } from '#web/format';

/** How everything stands, in one sentence, and whether it is well. */
export interface Headline {
  readonly tone: 'good' | 'busy' | 'bad' | 'calm';
  readonly text: string;
  /** What the images that are not here do; empty where there are none. */
  readonly rest: string;
  /** For the browser's tab. */
  readonly title: string;
}

/** Says how everything stands; changes only when an image changes its phase. */
export function toHeadline({ status, engine, hub }: Overview): Headline {
  const { isReady, desired, pulled, pulling, waiting, failed } = status.summary;
  const title = `${pulled}/${desired}`;
  if (engine.state === 'down') {
    return {
      tone: 'bad',
      text: 'The Docker engine does not answer',
      rest: 'What is on this device cannot be seen now.',
      title: `! ${title}`,
    };
  }
  if (desired === 0) {
    const isKnown = status.lastDesiredStatus !== undefined;
    const missing = hub.state === 'down' ? 'Not connected to edgeHub' : 'Waiting for edgeHub';
    const text = isKnown ? 'No images are desired' : missing;
    const rest = isKnown ? '' : 'Nothing is known yet of what is to be pulled.';
    return { tone: 'calm', text, rest, title };
  }
  if (isReady) {
    const text = desired === 1 ? 'The image is on this device' : `All ${desired} images are on this device`;
    return { tone: 'good', text, rest: '', title: `✓ ${title}` };
  }
  if (pulled === desired) {
    const rest = 'The registry is being asked whether they are the current ones.';
    return { tone: 'busy', text: `${formatCount(desired, 'image')} on this device`, rest, title };
  }
  const rest = [
    failed > 0 ? `${failed} failed` : '',
    pulling > 0 ? `${pulling} ${pulling === 1 ? 'is' : 'are'} being pulled` : '',
    waiting > 0 ? `${waiting} ${waiting === 1 ? 'waits' : 'wait'}` : '',
  ].filter((part) => part !== '');
  return {
    tone: failed > 0 ? 'bad' : 'busy',
    text: `${pulled} of ${formatCount(desired, 'image')} on this device`,
    rest: `${rest.join(', ')}.`,
    title: failed > 0 ? `! ${title}` : title,
  };
}
