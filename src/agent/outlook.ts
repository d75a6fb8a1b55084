import type { Book } from '#agent/book';
import type { ImageRecord } from '#core/image-record';
import type { Status, Summary } from '#core/status';
import type { Standing } from '#core/world';

/** What the last pass found, kept for whoever asks between two passes. */
export interface Outlook {
  /** Whether there is anything to be told yet: a pass has judged, or there is nothing that it could judge. */
  isKnown: boolean;
  standings: ReadonlyMap<string, Standing>;
  ready: Summary['ready'];
  /** When it was last ready, and with which set. */
  lastReady: Summary['ready'];
  lastDesiredStatus: Status['lastDesiredStatus'];
  lastDesiredVersion: number | undefined;
  /** What the standings are of, while other desired properties came and no pass has judged by them yet. */
  former: Subject | undefined;
}

/** What is told of, beside where it stands. */
export type Subject = Pick<Outlook, 'lastDesiredStatus'> & Pick<Book, 'desired' | 'images' | 'registries'>;

/** An outlook before the first pass. */
export function createOutlook(): Outlook {
  return {
    isKnown: false,
    standings: new Map(),
    ready: undefined,
    lastReady: undefined,
    lastDesiredStatus: undefined,
    lastDesiredVersion: undefined,
    former: undefined,
  };
}

/** Other desired properties are about to come into force. Where none were, nothing is told before a pass has judged. */
export function keepFormer(outlook: Outlook, { desired, images, registries }: Book): void {
  if (desired === undefined) {
    outlook.isKnown = false;
    return;
  }
  const { lastDesiredStatus } = outlook;
  outlook.former ??= { desired, images: new Map(images), registries: new Map(registries), lastDesiredStatus };
}

/** Whether an image was here when a pass looked last, and nothing has been asked for since that could bring it anew. */
export function isHere({ standings, former }: Outlook, name: string, record: ImageRecord): boolean {
  if (standings.get(name)?.phase !== 'Pulled') return false;
  if (record.isRequested === true || record.demand?.force === true) return false;
  return former === undefined || former.images.get(name)?.key === record.key;
}

/** The time stays as long as the set does: a pass that finds nothing new dates nothing. */
export function takeReady(outlook: Outlook, setDigest: string | undefined, nowMs: number): void {
  if (setDigest !== undefined && outlook.lastReady?.setDigest !== setDigest) {
    outlook.lastReady = { atMs: nowMs, setDigest };
  }
  outlook.ready = setDigest === undefined ? undefined : outlook.lastReady;
}

/** The same set may be ready since longer than this process knows. */
export function takeFormerReady(outlook: Outlook, former: Summary['ready']): void {
  const { lastReady } = outlook;
  if (former === undefined || (lastReady !== undefined && lastReady.setDigest !== former.setDigest)) return;
  outlook.lastReady = former;
  if (outlook.ready !== undefined) outlook.ready = former;
}

/** What was under way waits for the next start: the last report must not say that it goes on. */
export function takeEnd(outlook: Outlook): void {
  const standings = new Map(outlook.standings);
  for (const [name, { phase }] of standings) {
    if (phase !== 'Pulling') continue;
    standings.set(name, { phase: 'Waiting', reason: 'Queued', message: 'The module stopped in mid-pull.' });
  }
  outlook.standings = standings;
}
