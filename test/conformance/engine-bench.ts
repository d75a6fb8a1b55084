import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Engine, PulledImage, PullRequest } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import type { Reference } from '#core/reference';
import { Secret } from '#core/secret';

/** An engine for linux/amd64 without images, and a registry that wants a password. */
export interface EngineHarness {
  readonly engine: Engine;
  /** Of the registry, `host:port`. */
  readonly address: string;
  /** A credential that the registry takes. */
  readonly credential: Credential;
  /** Puts an image into the registry; another seed gives another digest. @returns the digest */
  serve(repository: string, tag: string, options?: { seed?: string; platform?: string }): Promise<string>;
  /** Takes away the right to one repository. */
  forbid(repository: string): void;
  /** Makes a container of an image. */
  use(imageId: string): Promise<void>;
  setAway(isAway: boolean): Promise<void>;
  /** From now on, pulls reach the registry and do not end. */
  holdPulls(): void;
  /** Resolves when a pull that is held is under way. */
  untilPulling(): Promise<void>;
  /** As it was at first, except for what is served. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** What the tests of any engine do with it. */
export interface EngineBench {
  /** Valid while a test runs. */
  readonly harness: EngineHarness;
  /** Never aborts. */
  readonly signal: AbortSignal;
  toReference(repository: string, tag?: string): Reference;
  /** Pulls with the right credential, unless the options say otherwise. */
  pull(reference: Reference, options?: Partial<PullRequest>): Promise<PulledImage>;
  wrongCredential(): Credential;
  /** All tags and digests in the engine, sorted. */
  listNames(): Promise<readonly string[]>;
}

/** Starts the harness before the tests of a block, resets it after each, and closes it at last. */
export function createEngineBench(startHarness: () => Promise<EngineHarness>): EngineBench {
  let harness: EngineHarness | undefined;
  const current = (): EngineHarness => {
    if (harness === undefined) throw new Error('the harness is there while a test runs');
    return harness;
  };
  beforeAll(async () => {
    harness = await startHarness();
  });
  afterEach(() => current().reset());
  afterAll(() => harness?.close());
  const { signal } = new AbortController();
  return {
    get harness() {
      return current();
    },
    signal,
    toReference: (repository, tag = '1') => ({ registry: current().address, repository, tag }),
    pull: (reference, options = {}) =>
      current().engine.pull({
        reference,
        credential: current().credential,
        platform: undefined,
        signal,
        onLayer: () => undefined,
        ...options,
      }),
    wrongCredential: () => ({ ...current().credential, password: new Secret('wrong password') }),
    async listNames() {
      const images = await current().engine.listImages(signal);
      return images.flatMap(({ tags, digests }) => [...tags, ...digests]).toSorted();
    },
  };
}
