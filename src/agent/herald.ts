import type { Book } from '#agent/book';
import { createJournal } from '#agent/journal';
import { toImage, toNewsScene } from '#agent/news-scene';
import type { Outlook } from '#agent/outlook';
import { createOutbox } from '#agent/outbox';
import { toSteady } from '#agent/ports';
import type { Clock, Hub, Log } from '#agent/ports';
import { toEvent } from '#contract/events';
import { findNews, NOTHING_TOLD, shiftTold, toHeard, withoutReady } from '#core/news';
import type { News, Told } from '#core/news';
import type { Plan } from '#core/plan';
import type { Rollout } from '#core/rollout';

/** Tells what happens, each thing once: in the log, and in events on their way to the cloud. */
export interface Herald {
  /** What was told in events and is known to be heard: after a restart it is not told again. */
  heard: Told;
  /** A pull ended, well or not. */
  attempted(bytes: number, isFailed: boolean): void;
  /** A pull brought an image. */
  pulled(name: string, pull: PulledNews): void;
  /** An image that was there is gone. */
  evicted(name: string, digest: string | undefined): void;
  /** A plan is about to be carried out. */
  planned(plan: Plan): void;
  /** The machine's clock was set: what is told to have begun began as long ago as before. */
  shift(byMs: number): void;
  /** Looks at how everything stands, after a pass. */
  look(): void;
  /** Sends until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a pull brought. */
export type PulledNews = Omit<Extract<News, { event: 'ImagePulled' }>, 'event' | 'name'>;

export interface HeraldDeps {
  readonly hub: Hub;
  readonly book: Book;
  readonly outlook: Outlook;
  readonly clock: Clock;
  readonly log: Log;
  readonly createId: () => string;
  /** What was heard may be other than before. */
  readonly onTold: () => void;
}

/** Makes a herald that has told nothing yet. */
export function createHerald(deps: HeraldDeps): Herald {
  const { book, outlook, clock } = deps;
  const outbox = createOutbox({ ...deps, clock: toSteady(clock), onSettled: deps.onTold });
  const journal = createJournal(deps.log);
  let told: Told = NOTHING_TOLD;
  let heard: Told = NOTHING_TOLD;
  let rollout: Rollout = { durationMs: 0, bytes: 0, retries: 0, misnamed: [] };
  let begunMs = clock.steadyMs();

  /** A rollout is as long as one version of the desired properties is in force. */
  function takeRollout(): Rollout {
    const { version, misnamedImages: misnamed = [] } = book.desired ?? {};
    const before = { ...rollout, durationMs: Math.round(clock.steadyMs() - begunMs) };
    if (version === rollout.version) return (rollout = { ...before, misnamed });
    journal.leave(before, outlook.standings);
    begunMs = clock.steadyMs();
    return (rollout = { version, durationMs: 0, bytes: 0, retries: 0, misnamed });
  }

  function hear(): Told {
    heard = toHeard(heard, told, outbox.toWaiting());
    return heard;
  }

  function tell(news: News): void {
    outbox.put(news, toEvent(news, clock.nowMs(), book.desired?.version));
  }

  return {
    get heard() {
      return hear();
    },
    set heard(remembered) {
      told = remembered;
      heard = remembered;
    },
    attempted(bytes, isFailed) {
      const before = takeRollout();
      rollout = {
        ...before,
        bytes: before.bytes + bytes,
        retries: before.retries + (isFailed ? 1 : 0),
      };
    },
    pulled(name, pull) {
      tell({ event: 'ImagePulled', name, ...pull });
    },
    evicted(name, digest) {
      const image = book.desired?.images.get(name);
      if (image === undefined) return;
      told = withoutReady(told);
      const reference = toImage(image);
      tell({
        event: 'ImageEvicted',
        name,
        image: reference,
        ...(digest === undefined ? {} : { digest }),
      });
      journal.evicted(name, reference);
    },
    planned(plan) {
      takeRollout();
      journal.plan(plan, (name) => (book.images.get(name)?.attempts ?? 0) > 0);
    },
    shift(byMs) {
      const nowMs = clock.nowMs();
      told = shiftTold(told, byMs, nowMs);
      heard = shiftTold(heard, byMs, nowMs);
      journal.shift(byMs, nowMs);
    },
    look() {
      const scene = toNewsScene(book, outlook, takeRollout(), clock.nowMs());
      hear();
      const found = findNews(told, scene);
      ({ told } = found);
      for (const news of found.news) tell(news);
      journal.look(scene, outlook.standings, rollout);
      if (found.news.length > 0) deps.onTold();
    },
    run: (signal) => outbox.run(signal),
  };
}
