import type { Clock, Hub, Log } from '#agent/ports';
import { createWake } from '#agent/wake';
import { EVENTS_OUTPUT } from '#contract/events';
import { toSubject } from '#core/news';
import type { News } from '#core/news';

/** Events on their way to edgeHub, in order. */
export interface Outbox {
  /** Takes an event. A later one of the same kind about the same thing takes the place of one that still waits. */
  put(news: News, body: object): void;
  /** What the events that wait are about. */
  toWaiting(): ReadonlySet<string>;
  /** Sends, one after another, whenever there is a connection, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface OutboxDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  readonly createId: () => string;
  /** Called when something was sent, or given up. */
  readonly onSettled: () => void;
}

interface Letter {
  readonly news: News;
  readonly id: string;
  readonly body: object;
  failures: number;
}

/** About 100 KB. What is more is dropped, the oldest first: an outage is not to fill the memory. */
const MAX_WAITING = 200;
const RETRY_MS = 5000;
/** One that edgeHub never takes must not hold the others for ever. */
const MAX_FAILURES = 5;

/** Makes an outbox, empty. */
export function createOutbox({ hub, clock, log, createId, onSettled }: OutboxDeps): Outbox {
  const wake = createWake(clock);
  const waiting = new Map<string, Letter>();
  let dropped = 0;

  hub.onChange(wake.ring);

  function drop(key: string): void {
    waiting.delete(key);
    dropped += 1;
  }

  async function send(key: string, letter: Letter): Promise<boolean> {
    const { event } = letter.news;
    try {
      await hub.send(EVENTS_OUTPUT, { id: letter.id, body: letter.body, properties: { event } });
    } catch (error) {
      log.debug({ event, err: error }, 'event not taken; will be sent again');
      // A connection that went meanwhile is not the event's fault.
      if (hub.isConnected) letter.failures += 1;
      if (letter.failures >= MAX_FAILURES && waiting.get(key) === letter) drop(key);
      return false;
    }
    if (waiting.get(key) === letter) waiting.delete(key);
    onSettled();
    return true;
  }

  /** @returns when to try again, milliseconds */
  async function sendAll(signal: AbortSignal): Promise<number> {
    for (;;) {
      const next = waiting.entries().next().value;
      if (next === undefined || !hub.isConnected || signal.aborted) break;
      if (!(await send(...next))) return clock.nowMs() + RETRY_MS;
    }
    if (dropped > 0 && hub.isConnected) {
      log.warn({ dropped }, 'events dropped: too many waited for edgeHub, or it did not take them');
      dropped = 0;
    }
    return Infinity;
  }

  return {
    put(news, body) {
      const key = `${news.event} ${toSubject(news)}`;
      // The later one stands last, where it belongs.
      waiting.delete(key);
      waiting.set(key, { news, id: createId(), body, failures: 0 });
      const [oldest] = waiting.keys();
      if (waiting.size > MAX_WAITING && oldest !== undefined) drop(oldest);
      wake.ring();
    },
    toWaiting: () => new Set([...waiting.values()].map(({ news }) => toSubject(news))),
    async run(signal) {
      let untilMs = Infinity;
      while (!signal.aborted) {
        await wake.wait(untilMs, signal);
        if (!signal.aborted) untilMs = await sendAll(signal);
      }
    },
  };
}
