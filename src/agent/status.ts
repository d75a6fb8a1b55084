import type { Book } from '#agent/book';
import type { Outlook, Subject } from '#agent/outlook';
import type { PullTable } from '#agent/pulls';
import type { Transports } from '#agent/transports';
import type { EngineInfo } from '#agent/ports';
import type { KnownContent } from '#core/image-content';
import { formatPlatform } from '#core/platform';
import { sumBytes, toSized } from '#core/progress';
import type { PullProgress } from '#core/progress';
import { isLoopbackHost, split } from '#core/registry-advice';
import { addSample, toEtaSeconds } from '#core/rate';
import type { Sample } from '#core/rate';
import { countPhases, toFaultyRegistryStatus, toImageStatus, toRegistryStatus } from '#core/status';
import type { ImageStatus, RegistryStatus, Status, Summary } from '#core/status';

export interface StatusSource {
  readonly version: string;
  readonly startedAtMs: number;
  readonly book: Book;
  readonly pulls: PullTable;
  readonly outlook: Outlook;
  readonly transports: Pick<Transports, 'routes'>;
  readonly toInfo: () => EngineInfo | undefined;
  readonly nowMs: () => number;
}

/** Of `lastDesiredStatus.description`, in characters. */
const MAX_DESCRIPTION_LENGTH = 1000;

/** Makes the function that says how everything stands at the moment it is called. */
export function createStatus({
  book,
  pulls,
  outlook,
  transports,
  toInfo,
  nowMs,
  ...self
}: StatusSource): () => Status {
  let samples: readonly Sample[] = [];
  /** What is known of an image that waits stays as it is, and is told with each report. */
  const sized = new WeakMap<KnownContent, PullProgress>();

  function toProgress(): Summary['progress'] {
    if (pulls.running.size === 0) {
      samples = [];
      return undefined;
    }
    const bytes = sumBytes([...toQueued(), ...[...pulls.running.values()].map(({ progress }) => progress)]);
    samples = addSample(samples, { atMs: nowMs(), bytes: bytes.downloadedBytes });
    const etaSeconds = toEtaSeconds(samples, bytes.totalBytes - bytes.downloadedBytes);
    return { ...bytes, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
  }

  /** What waits for a place, as far as it is known what it holds. */
  function* toQueued(): Generator<PullProgress> {
    for (const [name, content] of book.contents) {
      if (outlook.standings.get(name)?.phase !== 'Waiting' || pulls.running.has(name)) continue;
      const known = sized.get(content) ?? toSized(content.missing);
      sized.set(content, known);
      yield known;
    }
  }

  function toImages({ desired: state, images: records }: Subject): Map<string, ImageStatus> {
    const images = new Map<string, ImageStatus>();
    for (const [name, desired] of state?.images ?? []) {
      const standing = outlook.standings.get(name);
      if (standing === undefined) continue;
      const pull = pulls.running.get(name) ?? pulls.ended.get(name);
      const { bytesPerSecond } = pull ?? {};
      const image = toImageStatus(desired, standing, records.get(name), pull);
      const isPaced = standing.phase === 'Pulling' && bytesPerSecond !== undefined;
      images.set(name, isPaced ? { ...image, bytesPerSecond } : image);
    }
    return images;
  }

  function toRegistries({ desired, registries }: Subject): ReadonlyMap<string, RegistryStatus> {
    const valid = [...registries].map(
      ([name, record]) =>
        [name, toRegistryStatus(record, transports.routes.get(record.registry.address))] as const,
    );
    const faulty = [...(desired?.faultyRegistries ?? [])]
      .filter(([, { isNamed }]) => isNamed)
      .map(([name, registry]) => [name, toFaultyRegistryStatus(registry)] as const);
    return new Map([...valid, ...faulty].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What goes to a loopback address stays on the device. */
  const isInClear = (address: string): boolean =>
    transports.routes.get(address)?.isPlainHttp === true && !isLoopbackHost(split(address).host);

  /** What is well, and still to be known, stands beside what is at fault. */
  function toDesiredStatus({ lastDesiredStatus: found, registries }: Subject): Status['lastDesiredStatus'] {
    const insecure = [...registries]
      .filter(([, { registry }]) => isInClear(registry.address))
      .map(([name]) => `registryCredentials.${name}: speaks plain HTTP, images and password go in clear`);
    if (found === undefined || insecure.length === 0) return found;
    const description = [found.description, ...insecure].filter((part) => part !== '').join('; ');
    return { ...found, description: description.slice(0, MAX_DESCRIPTION_LENGTH) };
  }

  return () => {
    const info = toInfo();
    const { ready, lastDesiredVersion, former } = outlook;
    const subject = former ?? { ...book, lastDesiredStatus: outlook.lastDesiredStatus };
    const images = toImages(subject);
    const misnamed = subject.desired?.misnamedImages.length ?? 0;
    const progress = toProgress();
    const lastDesiredStatus = toDesiredStatus(subject);
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
        ...countPhases(images.values(), misnamed),
        ...(progress === undefined ? {} : { progress }),
        ...(ready === undefined ? {} : { ready }),
      },
      registries: toRegistries(subject),
      images,
      misnamed,
    };
  };
}
