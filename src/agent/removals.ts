import type { Book } from '#agent/book';
import type { Observer } from '#agent/observe';
import type { Clock, Engine, Log } from '#agent/ports';
import { toLine } from '#contract/findings';
import { toJsonBytes } from '#core/json-size';
import { toImageIndex } from '#core/presence';
import { AgentError } from '#core/reason';
import { findObstacle } from '#core/removal';

/** Takes references away that the operator names. */
export interface Removals {
  /**
   * Removes what nothing stands against, one after another, for at most 20 s.
   *
   * @throws AgentError where the engine does not say what it has
   */
  remove(references: readonly string[]): Promise<RemovalOutcome>;
}

export interface RemovalOutcome {
  readonly removed: readonly string[];
  /** Why the others stay. */
  readonly kept: Readonly<Record<string, string>>;
  /** References that were not come to, since the answer is full; absent where there are none. */
  readonly omitted?: number;
}

export interface RemovalDeps {
  readonly engine: Engine;
  readonly observer: Observer;
  readonly book: Book;
  readonly clock: Clock;
  readonly log: Log;
  readonly ring: () => void;
}

const CALL_MS = 20_000;
/** An answer stays under 100 KB of JSON. */
const MAX_ANSWER_BYTES = 90_000;
const NO_TIME = 'There was no time left for it; call again.';

/** Makes the removals. */
export function createRemovals(deps: RemovalDeps): Removals {
  const { engine, observer, book, clock, log } = deps;

  async function removeAll(references: readonly string[], signal: AbortSignal): Promise<RemovalOutcome> {
    const index = toImageIndex(await engine.listImages(signal));
    const idsInUse = await engine.listImageIdsInUse(signal);
    const removed: string[] = [];
    const kept: Record<string, string> = {};
    let sizeBytes = 0;
    for (const [at, reference] of references.entries()) {
      if (sizeBytes > MAX_ANSWER_BYTES) return { removed, kept, omitted: references.length - at };
      // What is desired may change while others are removed.
      const { desired, owned } = book;
      const why = findObstacle(reference, { desired, owned, index, idsInUse });
      const failure = why ?? (await removeOne(reference, signal));
      if (failure === undefined) removed.push(reference);
      else kept[reference] = toLine(failure);
      sizeBytes += toJsonBytes([reference, kept[reference]]);
    }
    return { removed, kept };
  }

  /** @returns why it stays, where it does */
  async function removeOne(reference: string, signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return NO_TIME;
    try {
      if (!(await engine.untag(reference, signal))) return 'A container uses it.';
      book.owned.delete(reference);
      log.info({ reference }, 'image removed, as RemoveImages asked');
      return undefined;
    } catch (error) {
      return signal.aborted ? NO_TIME : AgentError.of(error).message;
    }
  }

  return {
    async remove(references) {
      const over = new AbortController();
      const ended = new AbortController();
      void clock
        .sleep(CALL_MS, ended.signal)
        .then(() => over.abort(new AgentError('EngineUnavailable', NO_TIME)));
      try {
        return await removeAll(references, over.signal);
      } finally {
        ended.abort();
        observer.change();
        deps.ring();
      }
    },
  };
}
