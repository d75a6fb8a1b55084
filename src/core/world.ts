import type { DesiredState } from '#core/desired-state';
import type { KnownContent } from '#core/image-content';
import type { ImageRecord } from '#core/image-record';
import type { Openings } from '#core/opening';
import type { PullStage, RecentTimes } from '#core/places';
import type { EngineContent, ListedImage } from '#core/presence';
import type { FailureReason, WaitingReason } from '#core/reason';
import type { Reference } from '#core/reference';
import type { RegistryRecord } from '#core/registry-record';
import type { Route, Transport } from '#core/route';

/** Everything that a plan depends on: what is desired, what was observed, what is remembered, and the time. */
export interface World {
  readonly nowMs: number;
  /** Counts the changes of the desired properties. */
  readonly generation: number;
  readonly desired: DesiredState;
  /** One for each desired image without fault. */
  readonly images: ReadonlyMap<string, ImageRecord>;
  /** One for each desired registry. */
  readonly registries: ReadonlyMap<string, RegistryRecord>;
  readonly engine: EngineView;
  /** Bytes free on the engine's disk; undefined where that cannot be known. */
  readonly freeBytes: number | undefined;
  readonly running: Running;
  /** Addresses of registries from which a pull stalled and none has come since. */
  readonly stalledAddresses: ReadonlySet<string>;
  /** What the last pulls since the desired properties changed took, by the address of the registry. */
  readonly times: ReadonlyMap<string, RecentTimes>;
  /** How far registries are begun with since the desired properties changed. */
  readonly openings: Openings;
  /** References that this module pulled or tagged, and the name that each was listed under. */
  readonly owned: ReadonlyMap<string, string>;
  /** Whether images can go through the relay at all. */
  readonly isRelayOn: boolean;
  /** By the address of a registry, where it has been decided. */
  readonly routes: ReadonlyMap<string, Route>;
  /** By the name of an image. */
  readonly contents: ReadonlyMap<string, KnownContent>;
  /** Bytes of layers that the relay keeps on disk, by digest. */
  readonly keptBytes: ReadonlyMap<string, number>;
  /** References that the pulls in flight bring. */
  readonly claimed: ReadonlyMap<string, Claim>;
}

/** What a pull in flight is about to put under a reference. */
export interface Claim {
  /** Of the entry that it is pulled for. */
  readonly name: string;
  /** The id of the image that had the reference before; empty where none had. */
  readonly idBefore: string;
}

export type EngineView =
  | (EngineContent & {
      readonly kind: 'known';
      /** Of images that a container, running or not, was made from; undefined while nobody asked. */
      readonly idsInUse: ReadonlySet<string> | undefined;
    })
  | { readonly kind: 'unavailable'; readonly message: string };

/** Actions that have begun and not ended, by what they are about. */
export interface Running {
  readonly pulls: ReadonlyMap<string, RunningPull>;
  /** Names of images. */
  readonly checks: ReadonlySet<string>;
  /** By the names of images whose content is asked for. */
  readonly measures: ReadonlyMap<string, RunningMeasure>;
  /** Names of registries. */
  readonly logins: ReadonlySet<string>;
  /** Names of images. */
  readonly tags: ReadonlySet<string>;
  /** Names of images in the engine. */
  readonly removals: ReadonlySet<string>;
  /** Names that the engine would not take away a moment ago. */
  readonly refusals: ReadonlySet<string>;
}

export interface RunningMeasure {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
}

export interface RunningPull {
  /** The key of the record that it was started for. */
  readonly key: string;
  readonly reference: Reference;
  readonly startedAtMs: number;
  /** When the engine last said that something moved on. */
  readonly advancedAtMs: number;
  /** What it will still take on the engine's disk, as far as that is known. */
  readonly diskBytes: number;
  readonly transport: Transport;
  readonly stage: PullStage;
  readonly isCancelling: boolean;
}

/** Why a pull in flight is ended. `Requeued`: it goes on at once, without counting as failed. */
export type CancelCause = 'Unwanted' | 'Paused' | 'Cancelled' | 'Stalled' | 'TimedOut' | 'Requeued';

/** One thing to do; each ends in an event that changes a record and rings for the next pass. */
export type Action =
  | { readonly kind: 'login'; readonly registry: string }
  | { readonly kind: 'check'; readonly name: string }
  /** Asks what an image holds, before it is pulled; where that is known and the disk is tight, how large it is unpacked. */
  | { readonly kind: 'measure'; readonly name: string }
  | { readonly kind: 'pull'; readonly name: string }
  | { readonly kind: 'cancel'; readonly name: string; readonly cause: CancelCause }
  | {
      readonly kind: 'tag';
      readonly name: string;
      readonly id: string;
      readonly targets: readonly Reference[];
    }
  | { readonly kind: 'remove'; readonly reference: string };

/** Nothing is wrong with an image, and something has to come before it. */
export interface WaitingStanding {
  readonly phase: 'Waiting';
  readonly reason: WaitingReason;
  readonly message: string;
}

/** Where a desired image stands, as it is told to the operator. */
export type Standing =
  | WaitingStanding
  | { readonly phase: 'Pulling' }
  | { readonly phase: 'Pulled'; readonly image: ListedImage; readonly digest?: string }
  | {
      readonly phase: 'Failed';
      readonly reason: FailureReason;
      readonly message: string;
      readonly retryAtMs?: number;
    };

/** Bytes on the engine's disk that one more pull may take; Infinity where that cannot be known, below 0 where it is full. */
export function toSpareBytes({
  freeBytes,
  running,
  desired: { settings },
}: Pick<World, 'freeBytes' | 'desired'> & {
  readonly running: { readonly pulls: ReadonlyMap<string, Pick<RunningPull, 'diskBytes'>> };
}): number {
  if (freeBytes === undefined) return Infinity;
  let reservedBytes = 0;
  for (const { diskBytes } of running.pulls.values()) reservedBytes += diskBytes;
  return freeBytes - reservedBytes - settings.minFreeDiskMB * 1_000_000;
}
