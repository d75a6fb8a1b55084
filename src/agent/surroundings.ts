import type { Book } from '#agent/book';
import type { Clock, Hub } from '#agent/ports';
import type { PullTable } from '#agent/pulls';
import { createWatch } from '#agent/watch';
import type { Settings } from '#core/desired-state';
import type { Overview } from '#core/overview';
import { sumBytes } from '#core/progress';
import type { Status } from '#core/status';
import type { Tally } from '#core/tally';
import type { EngineView, Standing } from '#core/world';

/** What the loop sees beside the images, kept for whoever asks how the device is. */
export interface Surroundings {
  takeEngine(view: EngineView, freeBytes: number | undefined): void;
  takeStandings(standings: ReadonlyMap<string, Standing>): void;
  toOverview(): Overview;
}

export interface SurroundingsDeps {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly tally: Tally;
  readonly book: Book;
  readonly pulls: PullTable;
  readonly toStatus: () => Status;
  readonly toSettings: () => Settings;
  readonly isAlive: () => boolean;
}

/** Makes surroundings of which nothing is known yet. */
export function createSurroundings(deps: SurroundingsDeps): Surroundings {
  const { hub, clock, tally, book, pulls } = deps;
  const hubWatch = createWatch(clock);
  const engineWatch = createWatch(clock);
  /** Since when each image has been missing, by the steady clock. */
  const missingSinceMs = new Map<string, number>();
  let free: number | undefined;

  hub.onChange(() => {
    const isNew = hubWatch.take(hub.isConnected ? 'up' : 'down');
    if (isNew && hub.isConnected) tally.count('hub_connections_total', {});
  });

  return {
    takeEngine(view, freeBytes) {
      free = freeBytes;
      if (view.kind === 'known') engineWatch.take('up');
      else engineWatch.take('down', view.message);
    },
    takeStandings(standings) {
      const missing = new Set(book.desired?.misnamedImages);
      for (const [name, { phase }] of standings) if (phase !== 'Pulled') missing.add(name);
      for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name);
      for (const name of missing) if (!missingSinceMs.has(name)) missingSinceMs.set(name, clock.steadyMs());
    },
    toOverview() {
      const nowSteadyMs = clock.steadyMs();
      let pullingBytes = 0;
      for (const { progress } of pulls.running.values()) pullingBytes += sumBytes([progress]).downloadedBytes;
      const lastPulledMs = Math.max(...[...book.images.values()].map(({ seen }) => seen?.sinceMs ?? 0), 0);
      return {
        nowMs: clock.nowMs(),
        isAlive: deps.isAlive(),
        status: deps.toStatus(),
        hub: hubWatch.toNeighbour(),
        engine: engineWatch.toNeighbour(),
        ...(free === undefined ? {} : { freeBytes: free }),
        ...(lastPulledMs === 0 ? {} : { lastPulledMs }),
        minFreeBytes: deps.toSettings().minFreeDiskMB * 1_000_000,
        oldestUnmetMs: nowSteadyMs - Math.min(nowSteadyMs, ...missingSinceMs.values()),
        pullingBytes,
      };
    },
  };
}
