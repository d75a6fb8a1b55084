import type { Book } from '#agent/book';
import type { Outlook } from '#agent/outlook';
import type { PullTable } from '#agent/pulls';
import type { EngineInfo } from '#agent/ports';
import { formatPlatform } from '#core/platform';
import { sumBytes } from '#core/progress';
import { addSample, toEtaSeconds } from '#core/rate';
import type { Sample } from '#core/rate';
import { countPhases, toImageStatus, toRegistryStatus } from '#core/status';
import type { ImageStatus, Status, Summary } from '#core/status';

export interface StatusSource {
  readonly version: string;
  readonly startedAtMs: number;
  readonly book: Book;
  readonly pulls: PullTable;
  readonly outlook: Outlook;
  readonly toInfo: () => EngineInfo | undefined;
  readonly nowMs: () => number;
}

/** Makes the function that says how everything stands at the moment it is called. */
export function createStatus({ book, pulls, outlook, toInfo, nowMs, ...self }: StatusSource): () => Status {
  let samples: readonly Sample[] = [];

  function toProgress(): Summary['progress'] {
    if (pulls.running.size === 0) {
      samples = [];
      return undefined;
    }
    const bytes = sumBytes([...pulls.running.values()].map(({ progress }) => progress));
    samples = addSample(samples, { atMs: nowMs(), bytes: bytes.downloadedBytes });
    const etaSeconds = toEtaSeconds(samples, bytes.totalBytes - bytes.downloadedBytes);
    return { ...bytes, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
  }

  function toImages(): Map<string, ImageStatus> {
    const images = new Map<string, ImageStatus>();
    for (const [name, desired] of book.desired?.images ?? []) {
      const standing = outlook.standings.get(name);
      if (standing === undefined) continue;
      const { progress, bytesPerSecond } = pulls.running.get(name) ?? {};
      const image = toImageStatus(desired, standing, book.images.get(name), progress);
      const isPaced = standing.phase === 'Pulling' && bytesPerSecond !== undefined;
      images.set(name, isPaced ? { ...image, bytesPerSecond } : image);
    }
    return images;
  }

  return () => {
    const info = toInfo();
    const images = toImages();
    const progress = toProgress();
    const { ready, lastDesiredStatus, lastDesiredVersion } = outlook;
    return {
      ...(lastDesiredVersion === undefined ? {} : { lastDesiredVersion }),
      ...(lastDesiredStatus === undefined ? {} : { lastDesiredStatus }),
      agent: {
        version: self.version,
        startedAtMs: self.startedAtMs,
        ...(info === undefined ? {} : { engine: info.version, platform: formatPlatform(info.platform) }),
      },
      summary: {
        isReady: ready !== undefined,
        ...countPhases(images.values()),
        ...(progress === undefined ? {} : { progress }),
        ...(ready === undefined ? {} : { ready }),
      },
      registries: new Map([...book.registries].map(([name, record]) => [name, toRegistryStatus(record)])),
      images,
    };
  };
}
