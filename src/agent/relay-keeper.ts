import type { Book } from '#agent/book';
import type { Relay } from '#agent/relay-port';
import type { Settings } from '#core/desired-state';
import type { KnownContent } from '#core/image-content';
import { toRate } from '#core/pull-window';
import type { Standing } from '#core/world';

/** Tells the relay what the desired properties say of it, after each pass. */
export interface RelayKeeper {
  /** Bytes of layers that are kept on disk, by digest; none where there is no relay. */
  keptSizes(): ReadonlyMap<string, number>;
  take(settings: Settings, standings: ReadonlyMap<string, Standing>, nowMs: number): void;
}

export interface RelayKeeperDeps {
  readonly relay?: Relay;
  readonly book: Pick<Book, 'contents' | 'images' | 'registries'>;
  readonly setMinFreeBytes?: (sizeBytes: number) => void;
}

const NOTHING: ReadonlyMap<string, number> = new Map();

/** Makes a keeper that has told nothing yet. */
export function createRelayKeeper({ relay, book, setMinFreeBytes }: RelayKeeperDeps): RelayKeeper {
  let kept: ReadonlySet<string> | undefined;
  let known: ReadonlyMap<string, KnownContent> = new Map();

  /** What came for an image that is here now, or not wanted any more, goes whatever becomes of the others. */
  function forgetEnded(): void {
    const ended = [...known].filter(([name, content]) => book.contents.get(name) !== content);
    known = new Map(book.contents);
    const gone = new Set(ended.flatMap(([, content]) => toDigests(content)));
    for (const content of known.values()) for (const digest of toDigests(content)) gone.delete(digest);
    if (gone.size > 0) void relay?.forget(gone).catch(() => undefined);
  }

  return {
    keptSizes: () => relay?.keptSizes() ?? NOTHING,
    take(settings, standings, nowMs) {
      relay?.setRate(toRate(settings, nowMs));
      setMinFreeBytes?.(settings.minFreeDiskMB * 1_000_000);
      relay?.keepListed([...book.registries.values()].map(({ registry }) => registry));
      forgetEnded();
      const needed = toNeededDigests(book, standings);
      if (needed === undefined || isSame(needed, kept)) return;
      kept = needed;
      void relay?.keepOnly(needed).catch(() => undefined);
    },
  };
}

/** Digests of all that is yet to be fetched; undefined where that is not known of every image that is not here. */
function toNeededDigests(
  { contents, images }: RelayKeeperDeps['book'],
  standings: ReadonlyMap<string, Standing>,
): ReadonlySet<string> | undefined {
  const needed = new Set<string>();
  for (const name of images.keys()) {
    if (standings.get(name)?.phase === 'Pulled') continue;
    const known = contents.get(name);
    if (known === undefined) return undefined;
    for (const digest of toDigests(known)) needed.add(digest);
  }
  return needed;
}

const isSame = (digests: ReadonlySet<string>, others: ReadonlySet<string> | undefined): boolean =>
  digests.size === others?.size && [...digests].every((digest) => others.has(digest));

const toDigests = ({ content: { config, layers } }: KnownContent): string[] =>
  [config, ...layers].map(({ digest }) => digest);
