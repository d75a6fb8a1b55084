import type { Log } from '#agent/ports';
import { formatDuration, formatSome } from '#core/format';
import { findShut, isLowDisk } from '#core/low-disk';
import { findNews, NOTHING_TOLD, shiftTold, withoutReady } from '#core/news';
import type { News, NewsScene, Told } from '#core/news';
import { formatAction } from '#core/plan';
import type { Plan } from '#core/plan';
import { toPlanWords } from '#core/plan-words';
import { FAILURES, toReasonAdvice } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { adviseOn } from '#core/registry-advice';
import type { CheckName, CheckQuestion } from '#core/registry-advice';
import { formatRollout, isStuck } from '#core/rollout';
import type { Rollout } from '#core/rollout';
import type { Standing, WaitingStanding } from '#core/world';

/** Writes into the log what happens, one line each, and nothing again while it goes on. */
export interface Journal {
  /** What begins now, and what waits. */
  plan(plan: Plan, isRetry: (name: string) => boolean): void;
  /** The machine's clock was set to `nowMs`. */
  shift(byMs: number, nowMs: number): void;
  /** An image that was there is gone. */
  evicted(name: string, image: string): void;
  /** How everything stands after a pass. */
  look(scene: NewsScene, standings: ReadonlyMap<string, Standing>, rollout: Rollout): void;
  /** Another version of the desired properties takes the place of this one. */
  leave(rollout: Rollout, standings: ReadonlyMap<string, Standing>): void;
}

/** Makes a journal that begins with the process: whoever reads it need not know what was written before. */
export function createJournal(log: Log): Journal {
  let told: Told = NOTHING_TOLD;
  let waiting = '';
  /** Images that wait for room, since that was told. */
  let shut: ReadonlySet<string> = new Set();
  /** What was said of the rollout that is under way. */
  let said: 'nothing' | 'stuck' | 'ready' = 'nothing';

  function tellRollout(rollout: Rollout, standings: ReadonlyMap<string, Standing>): void {
    const { version, durationMs, bytes, retries } = rollout;
    const line = formatRollout(rollout, standings);
    const fields = { version, durationMs, bytes, retries };
    if (said === 'ready') log.info(fields, line);
    else log.warn(fields, line);
  }

  function tellRoom(images: NewsScene['images'], standings: ReadonlyMap<string, Standing>): void {
    const before = shut;
    shut = findShut(before, images);
    if (before.size === 0 && shut.size > 0) tellShut(log, standings);
    if (before.size > 0 && shut.size === 0) {
      log.info({}, 'no image waits for room on the engine’s disk any more');
    }
  }

  return {
    plan(plan, isRetry) {
      if (plan.actions.length > 0) log.debug({ actions: plan.actions.map(formatAction) }, 'plan, whole');
      const words = toPlanWords(plan, isRetry);
      const isSame = words.now === '' && words.waiting === waiting;
      ({ waiting } = words);
      if (isSame || (words.now === '' && waiting === '')) return;
      log.info(
        { ...(words.now === '' ? {} : { now: words.now }), ...(waiting === '' ? {} : { waiting }) },
        'plan',
      );
    },
    shift(byMs, nowMs) {
      told = shiftTold(told, byMs, nowMs);
    },
    evicted(name, image) {
      told = withoutReady(told);
      log.warn({ image: name, reference: image }, 'image vanished from the engine; it is pulled again');
    },
    look(scene, standings, rollout) {
      const own = withoutRegistrys(scene);
      tellRoom(own.images, standings);
      const found = findNews(told, own);
      ({ told } = found);
      for (const news of found.news) {
        if (news.event !== 'Ready') tell(log, news, scene);
        else if (said === 'ready') log.info({ setDigest: news.digest }, 'all images are ready again');
        else {
          said = 'ready';
          tellRollout(rollout, standings);
        }
      }
      if (said !== 'nothing' || !isStuck(rollout, standings)) return;
      said = 'stuck';
      tellRollout(rollout, standings);
    },
    leave(rollout, standings) {
      const { version, misnamed } = rollout;
      if (said !== 'ready' && standings.size + misnamed.length > 0) {
        log.info({ version }, `${formatRollout(rollout, standings)}; another version takes its place`);
      }
      said = 'nothing';
    },
  };
}

/** While a login fails it speaks for all images of its registry: what went wrong with them on the way is no line. */
function withoutRegistrys(scene: NewsScene): NewsScene {
  const isFailing = (registry = ''): boolean => scene.registries.get(registry)?.kind === 'failed';
  if (![...scene.registries.keys()].some(isFailing)) return scene;
  const images = [...scene.images].map(
    ([name, image]) => [name, isFailing(image.registry) ? { ...image, isOwnFailure: false } : image] as const,
  );
  return { ...scene, images: new Map(images) };
}

const MOST_NAMED = 10;

/** Of many, what the first of them needs is told. */
function tellShut(log: Log, standings: ReadonlyMap<string, Standing>): void {
  const low = [...standings].filter((entry): entry is [string, WaitingStanding] => isLowDisk(entry[1]));
  const names = low.map(([name]) => name);
  const error = low[0]?.[1].message;
  const advice = toReasonAdvice('LowDisk');
  log.warn(
    { images: formatSome(names, MOST_NAMED), reason: 'LowDisk', error, advice },
    'images wait for room on the engine’s disk',
  );
}

const toAdvice = (
  question: CheckQuestion | undefined,
  step: CheckName,
  failed: { readonly reason: FailureReason; readonly message: string },
): string => (question === undefined ? FAILURES[failed.reason].advice : adviseOn(question, { step }, failed));

function tell(log: Log, news: Exclude<News, { event: 'Ready' }>, { images, registries }: NewsScene): void {
  switch (news.event) {
    case 'ImagePullFailed': {
      const { name: image, image: reference, reason, message: error } = news;
      const { retry } = FAILURES[reason];
      const advice = toAdvice(images.get(image)?.question, 'manifest', news);
      const fields = { image, reference, reason, error, advice };
      if (retry === 'never') log.warn(fields, 'image not pulled; waits for a change');
      else log.warn(fields, 'image not pulled; will retry');
      return;
    }
    case 'RegistryLoginFailed': {
      const { name: registry, address, reason, message: error } = news;
      const advice = toAdvice(registries.get(registry)?.question, 'login', news);
      log.warn({ registry, address, reason, error, advice }, 'login failed; will retry');
      return;
    }
    case 'RegistryLoginRestored': {
      const { name: registry, address, durationMs } = news;
      log.info({ registry, address, failedFor: formatDuration(durationMs) }, 'login succeeded again');
      return;
    }
    case 'ImagePulled':
    case 'ImageEvicted':
  }
}
