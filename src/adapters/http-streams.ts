import type { ServerResponse } from 'node:http';
import type { Clock, Log } from '#agent/ports';
import { BEAT_SECONDS } from '#web/answer';
import type { WebStream } from '#web/answer';

/** Who listens for server-sent events; while nobody does there is no timer. */
export interface HttpStreams {
  /** Whether there are as many as there may be: then nobody is to be added. */
  readonly isFull: boolean;
  add(response: ServerResponse, stream: WebStream): void;
}

const MAX_LISTENERS = 8;
const PACE_MS = 1000;
/** A beat keeps what is in between from closing, and shows a listener that is gone. */
const BEAT_PACES = (BEAT_SECONDS * 1000) / PACE_MS;
/** An event, for no script ever sees a comment. */
const BEAT = 'event: beat\ndata:\n\n';

interface Listener {
  readonly stream: WebStream;
  silentPaces: number;
}

/** Makes the table, empty. */
export function createHttpStreams(clock: Clock, log: Log): HttpStreams {
  const listeners = new Map<ServerResponse, Listener>();
  const never = new AbortController().signal;
  let isTicking = false;

  function tell(response: ServerResponse, listener: Listener): void {
    // Who reads slowly is told less often: the next text has all that changed.
    if (response.writableNeedDrain) return;
    try {
      const text = listener.stream.next();
      listener.silentPaces = text === undefined ? listener.silentPaces + 1 : 0;
      if (text !== undefined) response.write(`data: ${text}\n\n`);
      else if (listener.silentPaces % BEAT_PACES === 0) response.write(BEAT);
    } catch (error) {
      log.error({ err: error }, 'what is to be told to a page could not be made');
      response.destroy();
    }
  }

  async function tick(): Promise<void> {
    isTicking = true;
    while (listeners.size > 0) {
      for (const [response, listener] of listeners) tell(response, listener);
      await clock.sleep(PACE_MS, never);
    }
    isTicking = false;
  }

  return {
    get isFull() {
      return listeners.size >= MAX_LISTENERS;
    },
    add(response, stream) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      listeners.set(response, { stream, silentPaces: 0 });
      response.once('close', () => listeners.delete(response));
      if (!isTicking) void tick();
    },
  };
}
