import type { Engine, Log } from '#agent/ports';
import { AgentError } from '#core/reason';
import type { EngineView } from '#core/world';

/** Whether the engine is there, as it is told: one look that failed may be its restart. */
export interface EngineWatch {
  /** As last acted on. */
  readonly view: EngineView | undefined;
  /** @returns whether the look is to be acted on */
  take(looked: EngineView): boolean;
}

export interface EngineWatchDeps {
  readonly log: Log;
  /** The engine answers again, after one look or more in vain. */
  readonly onBack: () => void;
}

/** Makes a watch that has seen nothing yet. */
export function createEngineWatch({ log, onBack }: EngineWatchDeps): EngineWatch {
  let view: EngineView | undefined;
  let looksFailed = 0;

  return {
    get view() {
      return view;
    },
    take(looked) {
      if (looked.kind === 'unavailable') {
        looksFailed += 1;
        if (looksFailed === 1 && view?.kind === 'known') return false;
        if (view?.kind !== 'unavailable') {
          log.error({ error: looked.message }, 'the engine does not answer; will try again');
        }
      } else {
        if (looksFailed > 0) onBack();
        if (view?.kind === 'unavailable') log.info({}, 'the engine answers again');
        looksFailed = 0;
      }
      view = looked;
      return true;
    },
  };
}

/**
 * The same engine, which tells where a question that is no listing finds it away. Such a question may be the first for
 * minutes: nobody lists an engine that says nothing of a change.
 */
export function tellAway(engine: Engine, onAway: () => void): Engine {
  async function tell<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof AgentError && error.reason === 'EngineUnavailable') onAway();
      throw error;
    }
  }
  return {
    ...engine,
    ping: (...asked) => tell(engine.ping(...asked)),
    login: (...asked) => tell(engine.login(...asked)),
    fetchManifest: (...asked) => tell(engine.fetchManifest(...asked)),
  };
}
