import type { Credential } from '#core/desired-state';
import type { LayerEvent } from '#core/progress';
import type { Platform } from '#core/platform';
import type { ListedImage } from '#core/presence';
import type { Reference } from '#core/reference';
import type { Probe } from '#core/registry-probe';

/**
 * What is asked of a container engine. Every failure is an `AgentError`. A call ends by its signal, or by itself after
 * 30 s (a registry that never answers is `RegistryUnreachable` then), or after 15 s where the engine itself is silent
 * (`EngineUnavailable`); only a pull and the events go on for longer.
 */
export interface Engine {
  /** Resolves where the engine itself answers; throws `EngineUnavailable` where it does not within 5 s. */
  ping(signal: AbortSignal): Promise<void>;

  /** Version, platform and kind of image store. Throws `EngineUnavailable`. */
  fetchInfo(signal: AbortSignal): Promise<EngineInfo>;

  /** All images in one call. */
  listImages(signal: AbortSignal): Promise<readonly ListedImage[]>;

  /** Platform and size of one image, by id or reference; undefined where there is none. */
  inspectImage(idOrReference: string, signal: AbortSignal): Promise<InspectedImage | undefined>;

  /** Image ids (`sha256:…`) that any container, running or not, was made from. */
  listImageIdsInUse(signal: AbortSignal): Promise<ReadonlySet<string>>;

  /**
   * Proves a user name and password to the registry (not the right to pull). Without a credential it shows that
   * the registry answers. A refusal is `Unauthorized`, whatever the registry calls it.
   */
  login(address: string, credential: Credential | undefined, signal: AbortSignal): Promise<void>;

  /** The digest that the registry serves for a reference now, and the platforms it holds, without any layer. */
  fetchManifest(
    reference: Reference,
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<RemoteManifest>;

  /**
   * Pulls one reference and inspects the outcome: it resolves only when the engine has the reference, by the digest
   * that the registry served, on a platform that was wanted. What was pulled in vain is taken away from the wanted
   * reference again (an image that stood there before is put back). An aborted signal cancels the pull in the
   * engine and rejects with the signal's reason.
   */
  pull(request: PullRequest): Promise<PulledImage>;

  /** Gives an image one more name, with a tag. */
  tag(idOrReference: string, target: Reference, signal: AbortSignal): Promise<void>;

  /**
   * Takes a name away; the image goes with its last one. An absent one is no failure.
   * @returns false where a container uses the image and the engine refused.
   */
  untag(reference: string, signal: AbortSignal): Promise<boolean>;

  /**
   * Calls `onEvent` for each image that is tagged, untagged, pulled or deleted, until the stream ends or `signal`
   * aborts; and once when it begins, for what happened before.
   */
  followEvents(onEvent: () => void, signal: AbortSignal): Promise<void>;

  /** Bytes free on the disk that holds the engine's images; undefined where it cannot be known. */
  fetchFreeBytes(signal: AbortSignal): Promise<number | undefined>;
}

export interface EngineInfo {
  /** For instance `28.5.2`. */
  readonly version: string;
  readonly platform: Platform;
  readonly store: 'classic' | 'containerd';
}

export interface InspectedImage extends ListedImage {
  /** Of several that it holds, the engine's own where that is among them. */
  readonly platform: Platform;
  /** Of the unpacked layers, from the bottom up; empty where the engine does not say. */
  readonly diffIds: readonly string[];
}

export interface RemoteManifest {
  readonly digest: string;
  /** Empty where the registry does not say. */
  readonly platforms: readonly Platform[];
}

export interface PullRequest {
  readonly reference: Reference;
  readonly credential: Credential | undefined;
  /** PEM certificates to trust where the module itself has to ask the registry on the engine's behalf. */
  readonly ca?: string | undefined;
  /** Absent: the engine's own. */
  readonly platform: Platform | undefined;
  readonly signal: AbortSignal;
  /** Called for every line of the engine's answer that speaks of a layer. */
  readonly onLayer: (layerId: string, event: LayerEvent) => void;
}

export interface PulledImage {
  readonly id: string;
  /** The manifest digest that the registry served. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platform: Platform;
  /** Whether the engine had it already and nothing was downloaded. */
  readonly wasPresent: boolean;
}

/**
 * Goes to a registry's address from the module's own network, step by step, without a password. Never rejects: what the
 * signal cuts short is left out.
 *
 * @param ca - PEM certificates to trust besides the well-known ones
 */
export type RegistryProber = (address: string, ca: string | undefined, signal: AbortSignal) => Promise<Probe>;

/** The module's twin and direct methods, whatever the connection does. */
export interface Hub {
  /** The last whole twin that was fetched; undefined before the first. */
  readonly twin: TwinDocument | undefined;
  readonly isConnected: boolean;

  /** Called after every fetch of the whole twin and whenever the connection comes or goes. Carries nothing. */
  onChange(listener: () => void): void;

  /**
   * Sends a patch of the reported properties; resolves when edgeHub took it, rejects (within 60 s) when that is not known; by an error
   * named `ReportRefused` when edgeHub has it and does not take it.
   */
  report(patch: object): Promise<void>;

  /**
   * Sends a message to an output; resolves when edgeHub took it, rejects (within 60 s) when that is not known. What is
   * sent again has the same id, so that whoever receives it twice can tell.
   */
  send(output: string, message: OutputMessage): Promise<void>;

  /** Keeps a connection, rebuilding the client for ever, until the signal aborts; then closes it (within 3 s). */
  run(signal: AbortSignal): Promise<void>;
}

export interface OutputMessage {
  readonly id: string;
  /** Goes as JSON. */
  readonly body: object;
  /** Beside the body: routes can ask for them. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface TwinDocument {
  readonly desired: Readonly<Record<string, unknown>>;
  readonly reported: Readonly<Record<string, unknown>>;
  /** Counts fetches; a later one has a higher number. */
  readonly fetch: number;
  /** Counts connections; a later client has a higher number. */
  readonly connection: number;
}

/** Answers one direct method: never throws, answers within 25 s. */
export type MethodHandler = (payload: unknown) => Promise<MethodAnswer>;

export interface MethodAnswer {
  /** HTTP-like. */
  readonly status: number;
  readonly payload: object;
}

export type MethodHandlers = Readonly<Record<string, MethodHandler>>;

/** One JSON document that outlives the process. */
export interface Store {
  /** What was saved last; undefined where there is nothing. Rejects where that cannot be read. */
  load(): Promise<unknown>;
  /** Replaces it whole: after a crash there is either the old one or the new one. Rejects where it cannot be written. */
  save(document: object): Promise<void>;
}

/** Seals text so that only this module on this device can open it; rejects where that is not to be had. */
export interface Sealer {
  seal(text: string): Promise<string>;
  open(sealed: string): Promise<string>;
}

/** Time and chance, so that the agent can be tested without either. */
export interface Clock {
  /** Milliseconds since 1970, as far as the machine knows; it may jump. */
  readonly nowMs: () => number;
  /** Milliseconds since some moment; never jumps. */
  readonly steadyMs: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Resolves after `delayMs`, or earlier when the signal aborts; never rejects. */
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

/** The same clock for what only measures how long something took: `nowMs` is steady. */
export function toSteady(clock: Clock): Clock {
  return { ...clock, nowMs: clock.steadyMs };
}

/** A moment of the steady clock, in milliseconds since 1970, as the machine knows the time now. */
export function toTimeMs({ nowMs, steadyMs }: Pick<Clock, 'nowMs' | 'steadyMs'>, momentMs: number): number {
  return nowMs() - (steadyMs() - momentMs);
}

/** A log in constant messages with fields; implemented by pino. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
