import type Docker from 'dockerode';
import type { InfoAnswer } from '#adapters/docker-answers';
import type { DockerConnection } from '#adapters/docker-connection';

/** Of `GET /version` and `GET /info`. */
export interface EngineAnswers {
  readonly version: Docker.DockerVersion;
  readonly info: InfoAnswer;
}

/** What an engine says of itself. */
export interface EngineInquiry {
  /** As it is now. */
  fetch(signal: AbortSignal): Promise<EngineAnswers>;
  /** As it was at most ten seconds ago: an engine that is another one afterwards is asked before. */
  recall(signal: AbortSignal): Promise<EngineAnswers>;
}

const ANSWERS_MS = 10_000;

/** Asks when it is called, and never before. */
export function createEngineInquiry(
  queries: Pick<Docker, 'version' | 'info'>,
  ask: DockerConnection['ask'],
): EngineInquiry {
  let known: (EngineAnswers & { readonly atMs: number }) | undefined;
  let asking: Promise<EngineAnswers> | undefined;

  async function fetchAnswers(): Promise<EngineAnswers> {
    const [version, info] = await Promise.all([queries.version(), queries.info()]);
    known = { version, info, atMs: performance.now() };
    return known;
  }

  return {
    fetch: (signal) => ask(signal, fetchAnswers),
    async recall(signal) {
      if (known !== undefined && performance.now() - known.atMs < ANSWERS_MS) return known;
      // Pulls that begin together wait for one answer.
      return ask(signal, () => (asking ??= fetchAnswers().finally(() => (asking = undefined))));
    },
  };
}
