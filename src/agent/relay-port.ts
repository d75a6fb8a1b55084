import type { RemoteManifest } from '#agent/ports';
import type { DesiredRegistry } from '#core/desired-state';
import type { ImageContent, ImageLayer } from '#core/image-content';
import type { Platform } from '#core/platform';
import type { AgentError } from '#core/reason';
import type { Reference } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';

/**
 * What is asked of the relay: a read-only registry on loopback that the engine pulls from, and that fetches from the real
 * registry as the engine asks. Every failure is an `AgentError`; an aborted signal rejects with its reason.
 */
export interface Relay {
  /** Where engines on this device reach it, or why they do not: it is off, or its port is taken (tried again every 30 s). */
  readonly standing: RelayStanding;

  /** Whether what comes is kept on disk until the engine has it. */
  readonly isKeeping: boolean;

  /** Serves until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;

  /** Proves an access to its registry, from the module itself. A refusal is `Unauthorized`, whatever the registry calls it. */
  login(access: RegistryAccess, signal: AbortSignal): Promise<{ readonly isPlainHttp: boolean }>;

  /** The digest that the registry serves for a reference now, and the platforms it holds, as the module itself is told. */
  fetchManifest(reference: Reference, access: RegistryAccess, signal: AbortSignal): Promise<RemoteManifest>;

  /**
   * What an image holds for one platform. The manifests are kept for a while, so that an engine's questions right after
   * need no second request. Throws `PlatformMismatch` where it holds nothing for it.
   */
  fetchContent(question: ContentQuestion): Promise<ImageContent>;

  /**
   * How large layers are unpacked, by digest, asked by a few bytes of each, and of each once. Those of which it cannot be
   * known are left out, whatever the cause; so are those that have not been come to when the signal aborts. Never rejects.
   */
  fetchUnpackedSizes(question: SizeQuestion): Promise<ReadonlyMap<string, number>>;

  /** Serves one image to whoever knows the name, until it is ended. The name leads nowhere while the relay is off. */
  offer(request: OfferRequest): Offer;

  /** A name under which nothing is served: that somebody asked for it shows that the engine reaches the relay. */
  offerProbe(): RelayProbe;

  /** Bytes of layers that are kept on disk, by digest. */
  keptSizes(): ReadonlyMap<string, number>;

  /** Of all that comes from registries together; 0 = no limit. */
  setRate(bytesPerSecond: number): void;

  /** Forgets what is kept of these blobs. */
  forget(digests: ReadonlySet<string>): Promise<void>;

  /** Forgets what is kept of all blobs but these. */
  keepOnly(digests: ReadonlySet<string>): Promise<void>;

  /** These are the registries that are listed: forgets what it holds for users and passwords that none of them has. */
  keepListed(registries: readonly DesiredRegistry[]): void;
}

export type RelayStanding =
  | {
      readonly kind: 'serving';
      /** For instance `127.0.0.1:5010`. */
      readonly address: string;
    }
  | { readonly kind: 'off'; readonly why: string };

export interface ContentQuestion {
  /** Asked by its digest where it has one. */
  readonly reference: Reference;
  readonly access: RegistryAccess;
  /** The engine's own. */
  readonly platform: Platform;
  /** As the operator has it; undefined: the engine's own. */
  readonly wanted: Platform | undefined;
  readonly signal: AbortSignal;
}

export interface SizeQuestion {
  /** Of an image that has the layers. */
  readonly reference: Reference;
  readonly access: RegistryAccess;
  readonly layers: readonly ImageLayer[];
  readonly signal: AbortSignal;
}

export interface OfferRequest {
  readonly reference: Reference;
  /** Of the index or manifest that is served, under itself and under the tag of the reference. */
  readonly digest: string;
  readonly access: RegistryAccess;
  /** Without a byte for so long the registry is given up. */
  readonly stallTimeoutMs: number;
  /** Told of bytes that came from the registry, as they come. */
  readonly onFetched?: ((sizeBytes: number) => void) | undefined;
  /**
   * Told of {@link Offer.failure} as it is set: what an engine does not get it asks for again, Docker's classic store for
   * 15 s more.
   */
  readonly onFailed?: ((failure: AgentError) => void) | undefined;
}

export interface Offer {
  /** What the engine is to pull: the relay's own address, a name that nobody guesses, and the digest. */
  readonly reference: Reference;
  /** Whether anybody asked for it. */
  readonly wasAsked: boolean;
  /** Why the registry gave no more: the true cause of the engine's failed pull. Nothing is served once it is set. */
  readonly failure: AgentError | undefined;
  /** Ends what is being served. Can be called again. */
  end(): void;
}

export interface RelayProbe {
  readonly reference: Reference;
  readonly wasAsked: boolean;
  end(): void;
}

export type { ImageContent, ImageLayer } from '#core/image-content';
