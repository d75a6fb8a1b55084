import type { Platform } from '#core/platform';
import type { FailureReason } from '#core/reason';
import type { Reference } from '#core/reference';
import type { Secret } from '#core/secret';
import type { PullWindow } from '#core/pull-window';

/** One of the two passwords of a client token, by the name it has in the desired properties. */
export type CredentialName = 'password' | 'password2';

export interface Credential {
  readonly name: CredentialName;
  readonly username: string;
  readonly password: Secret;
}

/** A registry that the operator listed under `registryCredentials`. */
export interface DesiredRegistry {
  readonly name: string;
  /** `host[:port]` as the engine on the host reaches it; `$upstream` is resolved. */
  readonly address: string;
  /** In the order they are tried; none for an anonymous registry. */
  readonly credentials: readonly Credential[];
  /** PEM certificates that the module's own requests to this registry trust. */
  readonly ca?: string;
}

/** An entry of `registryCredentials` that says something wrong: nothing is pulled by it, nor around it. */
export interface FaultyRegistry {
  /** `host[:port]`, where that is right. */
  readonly address?: string;
  /** What is wrong and what to write instead; holds no value of a credential. */
  readonly message: string;
  /** Whether its name may be a key of the twin. */
  readonly isNamed: boolean;
}

/** A fault of one entry: it is reported on the entry itself and by its path in `lastDesiredStatus`. */
export interface Fault {
  /** For instance `images.camera.tagAs.0`. */
  readonly path: string;
  /** What is wrong and what to write instead; holds no value of a credential. */
  readonly message: string;
}

/** What is wanted of one image, where the entry says it without fault. */
export interface ImageSpec {
  /** What is pulled. Has a tag, a digest, or both (then it is pulled by digest and tagged). */
  readonly reference: Reference;
  /** The listed registry whose credentials are used; absent for one that no entry lists: the pull is anonymous. */
  readonly registry?: string;
  readonly platform?: Platform;
  readonly pullPolicy: 'always' | 'if-not-present';
  /** Further local names, each with a tag. */
  readonly tagAs: readonly Reference[];
  /** -100…100; higher is pulled first. */
  readonly priority: number;
  readonly pullRequest?: number;
}

/** One entry of `images`: what is wanted, or why it cannot be known. */
export type DesiredImage =
  | { readonly kind: 'image'; readonly name: string; readonly spec: ImageSpec }
  | {
      readonly kind: 'fault';
      readonly name: string;
      readonly reason: Extract<FailureReason, 'InvalidImage' | 'UnknownRegistry'>;
      readonly message: string;
      /** The image as written, cut to 256 characters, where it is text. */
      readonly image?: string;
    };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Settings {
  readonly maxConcurrentPulls: number;
  readonly pullTimeoutSeconds: number;
  readonly stallTimeoutSeconds: number;
  readonly retryInitialSeconds: number;
  readonly retryMaxSeconds: number;
  /** 0 = never. */
  readonly refreshIntervalSeconds: number;
  readonly reportIntervalSeconds: number;
  readonly pullWindow?: PullWindow;
  readonly paused: boolean;
  readonly unlisted: 'keep' | 'remove';
  readonly minFreeDiskMB: number;
  readonly transport: 'engine' | 'relay' | 'auto';
  /** 0 = no limit. */
  readonly maxBytesPerSecond: number;
  /** Absent: what the environment says. */
  readonly logLevel?: LogLevel;
}

/** The defaults of twin-contract.md. */
export const DEFAULT_SETTINGS: Settings = {
  maxConcurrentPulls: 3,
  pullTimeoutSeconds: 14_400,
  stallTimeoutSeconds: 600,
  retryInitialSeconds: 10,
  retryMaxSeconds: 900,
  refreshIntervalSeconds: 3600,
  reportIntervalSeconds: 10,
  paused: false,
  unlisted: 'keep',
  minFreeDiskMB: 500,
  transport: 'auto',
  maxBytesPerSecond: 0,
};

/** The whole desired document, parsed entry by entry. */
export interface DesiredState {
  /** The `$version` of the desired properties; absent where the twin had none. */
  readonly version?: number;
  readonly registries: ReadonlyMap<string, DesiredRegistry>;
  /** By name. */
  readonly faultyRegistries: ReadonlyMap<string, FaultyRegistry>;
  /** In name order. */
  readonly images: ReadonlyMap<string, DesiredImage>;
  /** Paths of images that are wanted under a name that breaks the rule: nothing is known of them but that. */
  readonly misnamedImages: readonly string[];
  readonly settings: Settings;
  /** In path order. */
  readonly faults: readonly Fault[];
  /** Paths of properties that this version does not know, in order. */
  readonly unknownProperties: readonly string[];
}
