import type { Log } from '#agent/ports';
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
