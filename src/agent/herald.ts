import type { Book } from '#agent/book';
import type { Outlook } from '#agent/outlook';
import { createOutbox } from '#agent/outbox';
import { toSteady } from '#agent/ports';
import type { Clock, Hub, Log } from '#agent/ports';
import { toEvent } from '#contract/events';
import type { DesiredImage } from '#core/desired-state';
import { findNews, NOTHING_TOLD, toHeard, withoutReady } from '#core/news';
import type { News, NewsImage, NewsRegistry, NewsScene, Told } from '#core/news';
import { formatReference } from '#core/reference';
import type { RegistryRecord } from '#core/registry-record';

/** Tells what happens, each thing once: as an event on its way to the cloud. */
export interface Herald {
  /** What was told and is known to be heard: after a restart it is not told again. */
  heard: Told;
  /** A pull brought an image. */
  pulled(name: string, pull: PulledNews): void;
  /** An image that was there is gone. */
  evicted(name: string, digest: string | undefined): void;
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
  /** What was told may be other than before. */
  readonly onTold: () => void;
}

/** Makes a herald that has told nothing yet. */
export function createHerald(deps: HeraldDeps): Herald {
  const { book, outlook, clock } = deps;
  const outbox = createOutbox({ ...deps, clock: toSteady(clock), onSettled: deps.onTold });
  let told: Told = NOTHING_TOLD;
  let heard: Told = NOTHING_TOLD;
  let version: number | undefined;
  let sinceMs = clock.steadyMs();
  let bytes = 0;

  /** A rollout is as long as one version of the desired properties is in force. */
  function takeVersion(): void {
    if (book.desired?.version === version) return;
    version = book.desired?.version;
    sinceMs = clock.steadyMs();
    bytes = 0;
  }

  function hear(): Told {
    heard = toHeard(heard, told, outbox.toWaiting());
    return heard;
  }

  function tell(news: News): void {
    outbox.put(news, toEvent(news, clock.nowMs(), book.desired?.version));
  }

  function toScene(): NewsScene {
    const { desired } = book;
    const images = [...(desired?.images.values() ?? [])].flatMap((image): [string, NewsImage][] => {
      const standing = outlook.standings.get(image.name);
      if (standing === undefined) return [];
      const failure = book.images.get(image.name)?.failure;
      const isOwnFailure =
        image.kind === 'fault' || (standing.phase === 'Failed' && standing.reason === failure?.reason);
      return [[image.name, { image: toImage(image), standing, isOwnFailure }]];
    });
    const { ready } = outlook;
    return {
      nowMs: clock.nowMs(),
      images: new Map(images),
      registries: new Map([...book.registries].map(([name, record]) => [name, toRegistry(record)])),
      ...(ready === undefined
        ? {}
        : {
            ready: {
              digest: ready.setDigest,
              ...(version === undefined ? {} : { version }),
              durationMs: Math.round(clock.steadyMs() - sinceMs),
              bytes,
            },
          }),
    };
  }

  return {
    get heard() {
      return hear();
    },
    set heard(remembered) {
      told = remembered;
      heard = remembered;
    },
    pulled(name, pull) {
      takeVersion();
      bytes += pull.bytes;
      tell({ event: 'ImagePulled', name, ...pull });
    },
    evicted(name, digest) {
      const image = book.desired?.images.get(name);
      if (image === undefined) return;
      told = withoutReady(told);
      const known = digest === undefined ? {} : { digest };
      tell({ event: 'ImageEvicted', name, image: toImage(image), ...known });
    },
    look() {
      takeVersion();
      hear();
      const found = findNews(told, toScene());
      ({ told } = found);
      for (const news of found.news) tell(news);
      if (found.news.length > 0) deps.onTold();
    },
    run: (signal) => outbox.run(signal),
  };
}

const toImage = (image: DesiredImage): string =>
  image.kind === 'image' ? formatReference(image.spec.reference) : (image.image ?? '');

function toRegistry({ registry: { address }, login }: RegistryRecord): NewsRegistry {
  if (login.kind !== 'failed') return { address, kind: login.kind };
  const { reason, message } = login;
  return { address, kind: 'failed', reason, message };
}
