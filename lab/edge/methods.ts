import { randomUUID } from 'node:crypto';
import { formatMethodTopic } from './topics.ts';

/** What the caller of a direct method gets. */
export interface MethodResult {
  /** The module's own, or 404 where no module listens, or 504 where none answered in time. */
  readonly status: number;
  /** Parsed JSON; null where there was no body. */
  readonly payload: unknown;
}

/** How a direct method is called. */
export interface MethodOptions {
  /** How long the module may take; IoT Hub's default is 30,000. */
  readonly timeoutMs?: number;
  /** Sent instead of the payload, as it is. */
  readonly raw?: Buffer;
}

/** Direct methods on their way. */
export interface MethodCalls {
  readonly invoke: (name: string, payload: unknown, options: MethodOptions) => Promise<MethodResult>;
  /** Settles the call that waits for this answer, if one does. */
  readonly answer: (requestId: string, status: number, body: Buffer) => void;
  /** Settles every call with 504. */
  readonly end: () => void;
}

/** What direct methods are sent by. */
export interface MethodChannel {
  /** Whether a module is connected and has subscribed to methods. */
  isReachable(): boolean;
  publish(topic: string, body: Buffer): void;
}

/** Calls through one channel, none on its way. */
export function createMethodCalls(channel: MethodChannel): MethodCalls {
  const waiting = new Map<string, (result: MethodResult) => void>();
  return {
    invoke(name, payload, { timeoutMs = 30_000, raw }) {
      if (!channel.isReachable()) return Promise.resolve({ status: 404, payload: null });
      const { promise, resolve } = Promise.withResolvers<MethodResult>();
      const requestId = randomUUID();
      const timer = setTimeout(() => settle({ status: 504, payload: null }), timeoutMs);
      const settle = (result: MethodResult): void => {
        clearTimeout(timer);
        waiting.delete(requestId);
        resolve(result);
      };
      waiting.set(requestId, settle);
      // Without a payload IoT Hub sends null.
      channel.publish(
        formatMethodTopic(name, requestId),
        raw ?? Buffer.from(JSON.stringify(payload ?? null)),
      );
      return promise;
    },
    answer(requestId, status, body) {
      waiting.get(requestId)?.({ status, payload: body.length === 0 ? null : JSON.parse(body.toString()) });
    },
    end() {
      for (const settle of waiting.values()) settle({ status: 504, payload: null });
    },
  };
}
