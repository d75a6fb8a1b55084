import type { CredentialName, DesiredImage, FaultyRegistry } from '#core/desired-state';
import type { ImageRecord } from '#core/image-record';
import { NO_PROGRESS, sumBytes } from '#core/progress';
import type { PullProgress } from '#core/progress';
import type { FailureReason, Reason } from '#core/reason';
import { formatReference } from '#core/reference';
import type { RegistryRecord } from '#core/registry-record';
import type { Route, Transport } from '#core/route';
import type { Standing } from '#core/world';

/** Everything that is told to the outside, whole: what the reported properties are cut from. Times in ms since 1970. */
export interface Status {
  readonly lastDesiredVersion?: number;
  readonly lastDesiredStatus?: { readonly code: number; readonly description: string };
  readonly agent: AgentStatus;
  readonly summary: Summary;
  readonly registries: ReadonlyMap<string, RegistryStatus>;
  /** In name order. */
  readonly images: ReadonlyMap<string, ImageStatus>;
  /** How many images are left out for their name: they have no entry, and count as failed. */
  readonly misnamed: number;
}

export interface AgentStatus {
  readonly version: string;
  readonly startedAtMs: number;
  /** Version of the engine, absent until it answered. */
  readonly engine?: string;
  readonly platform?: string;
}

export interface Summary {
  readonly isReady: boolean;
  readonly desired: number;
  readonly pulled: number;
  readonly pulling: number;
  readonly waiting: number;
  readonly failed: number;
  /** Only while anything is being pulled; a layer that pulls share is counted once. */
  readonly progress?: {
    readonly downloadedBytes: number;
    readonly totalBytes: number;
    readonly etaSeconds?: number;
  };
  /** Only when ready. */
  readonly ready?: { readonly atMs: number; readonly setDigest: string };
}

export interface RegistryStatus {
  readonly address: string;
  readonly login: 'Succeeded' | 'Failed' | 'Anonymous' | 'Unknown';
  readonly credential?: CredentialName;
  readonly reason?: FailureReason;
  readonly message?: string;
  readonly checkedAtMs?: number;
  /** How its images reach the engine, where that is decided. */
  readonly route?: Route;
}

export interface ImageStatus {
  /** Resolved; as written where it could not be resolved. */
  readonly image: string;
  readonly phase: Standing['phase'];
  readonly reason?: Reason;
  readonly message?: string;
  readonly percent?: number;
  readonly downloadedBytes?: number;
  readonly totalBytes?: number;
  /** Of the last half minute; absent while nothing comes. Shown at the device alone. */
  readonly bytesPerSecond?: number;
  readonly digest?: string;
  /** The engine's, where it knows the image without a registry's digest. */
  readonly id?: string;
  readonly sizeBytes?: number;
  readonly attempts: number;
  readonly retryAtMs?: number;
  readonly pulledAtMs?: number;
  readonly transport?: Transport;
  readonly evictions: number;
}

/** One registry as it is reported. */
export function toRegistryStatus(record: RegistryRecord, route?: Route): RegistryStatus {
  return { ...toLoginStatus(record), ...(route === undefined ? {} : { route }) };
}

function toLoginStatus({ registry, login }: RegistryRecord): RegistryStatus {
  const { address } = registry;
  switch (login.kind) {
    case 'unknown':
      return { address, login: 'Unknown' };
    case 'accepted': {
      const { credential, checkedAtMs } = login;
      return {
        address,
        login: registry.credentials.length === 0 ? 'Anonymous' : 'Succeeded',
        ...(credential === undefined ? {} : { credential }),
        ...(checkedAtMs === undefined ? {} : { checkedAtMs }),
      };
    }
    case 'failed': {
      const { reason, message, checkedAtMs } = login;
      return { address, login: 'Failed', reason, message, checkedAtMs };
    }
  }
}

/** A registry whose entry is at fault, as it is reported. */
export const toFaultyRegistryStatus = ({ address = '', message }: FaultyRegistry): RegistryStatus => ({
  address,
  login: 'Failed',
  reason: 'UnknownRegistry',
  message,
});

/** A pull in flight, as far as it is told. */
interface PullStatus {
  readonly progress: PullProgress;
  readonly transport: Transport;
}

const NOT_BEGUN: PullStatus = { progress: NO_PROGRESS, transport: 'engine' };

/** One image as it is reported. */
export function toImageStatus(
  desired: DesiredImage,
  standing: Standing,
  record: ImageRecord | undefined,
  pull: PullStatus | undefined,
): ImageStatus {
  const image = desired.kind === 'image' ? formatReference(desired.spec.reference) : (desired.image ?? '');
  const { attempts = 0, evictions = 0 } = record ?? {};
  const base = { image, phase: standing.phase, attempts, evictions };
  switch (standing.phase) {
    case 'Waiting':
      return { ...base, reason: standing.reason, message: standing.message };
    case 'Failed': {
      const { reason, message, retryAtMs } = standing;
      return { ...base, reason, message, ...(retryAtMs === undefined ? {} : { retryAtMs }) };
    }
    case 'Pulling':
      return { ...base, ...toPullingStatus(pull) };
    case 'Pulled': {
      const { digest, image: listed } = standing;
      return {
        ...base,
        attempts: 0,
        ...(digest === undefined ? { id: listed.id } : { digest }),
        sizeBytes: listed.sizeBytes,
        ...(record?.seen?.sinceMs === undefined ? {} : { pulledAtMs: record.seen.sinceMs }),
        transport: toPulledBy(record, listed.id, digest),
      };
    }
  }
}

/** A pull of which the engine has not spoken yet has come nowhere. */
const toPullingStatus = ({ progress, transport }: PullStatus = NOT_BEGUN): Partial<ImageStatus> => ({
  percent: progress.percent,
  ...sumBytes([progress]),
  transport,
});

/** What this module did not bring came by the engine. */
function toPulledBy(record: ImageRecord | undefined, id: string, digest: string | undefined): Transport {
  const { pulledAs, seen } = record ?? {};
  if (pulledAs?.id === id) return pulledAs.transport;
  return (seen?.digest === digest ? seen?.transport : undefined) ?? 'engine';
}

/** The counts of a summary. @param misnamed - how many images are left out for their name */
export function countPhases(
  images: Iterable<ImageStatus>,
  misnamed: number,
): Pick<Summary, 'desired' | 'pulled' | 'pulling' | 'waiting' | 'failed'> {
  const counts = { Pulled: 0, Pulling: 0, Waiting: 0, Failed: misnamed };
  let desired = misnamed;
  for (const { phase } of images) {
    counts[phase] += 1;
    desired += 1;
  }
  const { Pulled: pulled, Pulling: pulling, Waiting: waiting, Failed: failed } = counts;
  return { desired, pulled, pulling, waiting, failed };
}

/**
 * The lines whose SHA-256 is the `setDigest`: `name=digest`, sorted, each ended by a line feed. An image that the engine
 * knows without a registry's digest stands there with the engine's id.
 */
export function formatSet(images: ReadonlyMap<string, ImageStatus>): string {
  return [...images]
    .map(([name, { digest, id = '' }]) => `${name}=${digest ?? id}\n`)
    .toSorted()
    .join('');
}
