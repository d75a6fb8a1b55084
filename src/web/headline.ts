import type { Neighbour, Overview } from '#core/overview';
import type { Status } from '#core/status';
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
export function toHeadline({ status, isAlive, engine, hub }: Overview): Headline {
  const { isReady, desired, pulled, pulling, waiting, failed } = status.summary;
  const title = `${pulled}/${desired}`;
  if (!isAlive) {
    return {
      tone: 'bad',
      text: 'The module hangs',
      rest: 'What is shown here is how it was before.',
      title: `! ${title}`,
    };
  }
  if (engine.state === 'down') {
    return {
      tone: 'bad',
      text: 'The Docker engine does not answer',
      rest: 'What is on this device cannot be seen now.',
      title: `! ${title}`,
    };
  }
  if (desired === 0) return toNoneDesired(status, hub, title);
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

function toNoneDesired(
  { lastDesiredVersion, lastDesiredStatus: found, summary, registries }: Status,
  hub: Neighbour,
  title: string,
): Headline {
  if (found === undefined) {
    const text = hub.state === 'down' ? 'Not connected to edgeHub' : 'Waiting for edgeHub';
    return { tone: 'calm', text, rest: 'Nothing is known yet of what is to be pulled.', title };
  }
  // Where they were refused, too, no registry is listed.
  const isAccepted = found.code === 200 || (found.code === 400 && registries.size > 0);
  if (lastDesiredVersion === undefined && isAccepted && !summary.isReady) {
    const rest = 'It has not said yet which images are on this device.';
    return { tone: 'calm', text: 'Waiting for the Docker engine', rest, title };
  }
  if (found.code === 200) return { tone: 'calm', text: 'No images are desired', rest: '', title };
  // Faults of entries are 400 as well, and the others are in force then.
  const isRefused = found.code === 412 || lastDesiredVersion === undefined;
  return {
    tone: 'bad',
    text: isRefused ? 'The desired properties were refused' : 'The desired properties have a fault',
    rest: 'No image is desired that could be pulled.',
    title: `! ${title}`,
  };
}
