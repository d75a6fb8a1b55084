import type { Clock } from '#agent/ports';
import { AgentError } from '#core/reason';
import type { Finding } from '#core/registry-check';

/**
 * Asks one question about a registry, for as long as there is time; never rejects.
 *
 * @param who - that asks, for the message where there is no answer
 * @param call - aborts when there is no time left at all
 */
export type Asker = (
  who: 'engine' | 'module',
  address: string,
  call: AbortSignal,
  question: (signal: AbortSignal) => Promise<string | void>,
) => Promise<Finding>;

/** For one question; the engine itself waits 15 s for a registry. */
export const QUESTION_MS = 6000;

/** Makes the asker. */
export function createAsker(clock: Pick<Clock, 'sleep'>): Asker {
  return async (who, address, call, question) => {
    if (call.aborted) return { kind: 'unasked' };
    const ended = new AbortController();
    const late = new AbortController();
    const message = `The ${who} had no answer from ${address} within ${QUESTION_MS / 1000} s.`;
    void clock
      .sleep(QUESTION_MS, AbortSignal.any([ended.signal, call]))
      .then(() => late.abort(new AgentError('RegistryUnreachable', message)));
    try {
      const answer = await Promise.race([question(late.signal), rejectedBy(late.signal)]);
      return { kind: 'ok', ...(typeof answer === 'string' ? { message: answer } : {}) };
    } catch (error) {
      if (call.aborted) return { kind: 'unasked' };
      const failure = AgentError.of(error);
      return { kind: 'failed', reason: failure.reason, message: failure.message };
    } finally {
      ended.abort();
    }
  };
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}
