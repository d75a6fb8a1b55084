import type { Clock, Engine, PullRequest } from '#agent/ports';
import type { Relay } from '#agent/relay-port';
import { BrokenConnection } from '#core/reason';

/** At most: devices whose connections broke together do not come back together. */
const PAUSE_MS = 250;

type Pause = Pick<Clock, 'sleep' | 'random'>;

/**
 * The same engine; where the connection to a registry broke, it is asked once more: that says nothing about the registry
 * yet. A pull is not given again whose layers the engine had tried again by itself.
 */
export function askEngineTwice(engine: Engine, pause: Pause): Engine {
  return {
    ...engine,
    login: (address, credential, signal) =>
      askTwice(signal, () => engine.login(address, credential, signal), pause),
    fetchManifest: (reference, credential, signal) =>
      askTwice(signal, () => engine.fetchManifest(reference, credential, signal), pause),
    pull(request) {
      let hasRetried = false;
      const onLayer: PullRequest['onLayer'] = (layerId, event) => {
        hasRetried ||= event.kind === 'retrying';
        request.onLayer(layerId, event);
      };
      const isEnough = (): boolean => hasRetried;
      return askTwice(request.signal, () => engine.pull({ ...request, onLayer }), pause, isEnough);
    },
  };
}

/** The same relay, which asks registries once more in the same way. For blobs it does so by itself. */
export function askRelayTwice(relay: Relay, pause: Pause): Relay {
  return {
    ...relay,
    get standing() {
      return relay.standing;
    },
    login: (access, signal) => askTwice(signal, () => relay.login(access, signal), pause),
    fetchManifest: (reference, access, signal) =>
      askTwice(signal, () => relay.fetchManifest(reference, access, signal), pause),
    fetchContent: (question) => askTwice(question.signal, () => relay.fetchContent(question), pause),
  };
}

async function askTwice<T>(
  signal: AbortSignal,
  ask: () => Promise<T>,
  { sleep, random }: Pause,
  isEnough = (): boolean => false,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted || !(error instanceof BrokenConnection) || isEnough()) throw error;
    await sleep(PAUSE_MS * random(), signal);
    if (signal.aborted) throw error;
    return ask();
  }
}
