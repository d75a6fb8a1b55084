import type { RunningPull, World } from '#core/world';

/**
 * How many pulls go on at once. `maxConcurrentPulls` is how many may fetch: it is the link that they share. A pull for
 * which nothing is fetched holds no place, so that the link does not rest meanwhile; of each kind of those there may be
 * as many as there are places.
 */

/**
 * What is done for a pull now. `asking`: no layer has been named yet. `fetching`: a layer comes, or may at any moment.
 * `unpacking`: nothing is fetched, or only waited for until the engine asks again. `naming`: all is there, and the
 * registry is asked once more for the name.
 */
export type PullStage = 'asking' | 'fetching' | 'unpacking' | 'naming';

/** What a pull took, milliseconds. */
export interface PullTimes {
  /** Until a layer was named. */
  readonly askedMs: number;
  /** From the first bytes until all were there: waiting for the engine's turn is no more of this than of that. */
  readonly fetchedMs: number;
}

/** What is known of a registry by its last pulls, the latest last. */
export type RecentTimes = readonly PullTimes[];

const REMEMBERED = 3;
/** Of those remembered: one image that is large, or small, decides nothing. */
const MAJORITY = 2;

/** The last pulls, with one more. */
export const withTimes = (recent: RecentTimes, latest: PullTimes): RecentTimes =>
  [...recent, latest].slice(-REMEMBERED);

/** Whether answers are waited for rather than bytes: images are small, or the registry is far. */
export const isAskedLonger = (recent: RecentTimes): boolean =>
  recent.filter(({ askedMs, fetchedMs }) => askedMs > fetchedMs).length >= MAJORITY;

/** Places, as one plan fills them. */
export interface Places {
  /** Whether one more image of a registry may be pulled. */
  isFree(registry: string): boolean;
  /** One is. */
  take(registry: string): void;
}

/** Through the relay a registry that sends nothing for so long keeps its places from no other registry. */
export const SILENCE_MS = 15_000;

type PlacesWorld = Pick<World, 'running' | 'nowMs' | 'desired' | 'times'>;

/** How many pulls hold a place, and how many of each kind hold none. */
interface Count {
  readonly holding: number;
  readonly asking: number;
  readonly unpacking: number;
}

/** The places that the pulls in flight leave. */
export function createPlaces({ running, nowMs, desired, times }: PlacesWorld): Places {
  const { maxConcurrentPulls } = desired.settings;
  const pulls = [...running.pulls.values()];
  const counts = new Map<string, Count>();
  let begunHolding = 0;
  let begunAsking = 0;

  const isOfAnswers = (registry: string): boolean => isAskedLonger(times.get(registry) ?? []);

  function toKind({ stage, reference: { registry } }: RunningPull): keyof Count {
    if (stage === 'unpacking') return 'unpacking';
    return stage === 'naming' || (stage === 'asking' && isOfAnswers(registry)) ? 'asking' : 'holding';
  }

  /** As an image of a registry finds them: of another one that is silent the relay has the engine let go. */
  function countFor(registry: string): Count {
    const count = { holding: 0, asking: 0, unpacking: 0 };
    for (const pull of pulls) {
      const isSilent =
        pull.reference.registry !== registry &&
        pull.transport === 'relay' &&
        nowMs >= pull.advancedAtMs + SILENCE_MS;
      if (!isSilent) count[toKind(pull)] += 1;
    }
    return count;
  }

  return {
    isFree(registry) {
      const count = counts.get(registry) ?? countFor(registry);
      counts.set(registry, count);
      const holding = count.holding + begunHolding;
      const asking = count.asking + begunAsking;
      // As many as there are places may unpack beside those that hold one, and as many ask.
      const most = 2 * maxConcurrentPulls + Math.min(asking, maxConcurrentPulls);
      return holding < maxConcurrentPulls && holding + asking + count.unpacking < most;
    },
    take(registry) {
      if (isOfAnswers(registry)) begunAsking += 1;
      else begunHolding += 1;
    },
  };
}
