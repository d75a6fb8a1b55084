import type { TwinObject } from './twin-rules.ts';

/** Those who wait for the reported properties to become something. */
export interface ReportedWaiters {
  readonly wait: (predicate: (reported: TwinObject) => boolean, deadlineMs?: number) => Promise<TwinObject>;
  /** Lets all of them look at the reported properties as they are now. */
  readonly look: () => void;
  /** Rejects all of them. */
  readonly end: () => void;
}

interface Waiter {
  look(): void;
  reject(why: string): void;
}

/** Nobody waits at first. */
export function createReportedWaiters(reported: () => TwinObject): ReportedWaiters {
  const waiters = new Set<Waiter>();
  return {
    async wait(predicate, deadlineMs = 10_000) {
      const { promise, resolve, reject } = Promise.withResolvers<TwinObject>();
      const waiter: Waiter = {
        look() {
          const document = reported();
          try {
            if (predicate(document)) resolve(document);
          } catch (error) {
            reject(error);
          }
        },
        reject: (why) => reject(new Error(`${why}; last reported: ${JSON.stringify(reported())}`)),
      };
      const timer = setTimeout(() => waiter.reject(`not reported within ${deadlineMs} ms`), deadlineMs);
      waiters.add(waiter);
      waiter.look();
      return promise.finally(() => {
        clearTimeout(timer);
        waiters.delete(waiter);
      });
    },
    look() {
      for (const waiter of waiters) waiter.look();
    },
    end() {
      for (const waiter of waiters) waiter.reject('the edge was stopped');
    },
  };
}
