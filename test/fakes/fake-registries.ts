import { createHash } from 'node:crypto';
import type { Credential } from '#core/desired-state';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { formatReference, formatRepository, formatTagged } from '#core/reference';
import type { Reference } from '#core/reference';

/** What a pretended registry serves under one reference. */
export interface ServedImage {
  /** The image's id in an engine that has it. */
  readonly id: string;
  readonly digest: string;
  readonly platform: Platform;
  readonly sizeBytes: number;
  /** Bytes by layer id. */
  readonly layers: Readonly<Record<string, number>>;
  /** Of the unpacked layers. */
  readonly diffIds: readonly string[];
}

/** Registries in memory, all that an engine could reach. */
export interface FakeRegistries {
  /** What is served, by `host/repository:tag`; each also answers to its digest. */
  readonly served: Map<string, ServedImage>;
  /** What fails: by reference, each check and pull of it; by address (`host:port`), whatever is asked of it. */
  readonly failures: Map<string, FailureReason>;
  /** Passwords by address and user name. An address that is not here asks for none. */
  readonly passwords: Map<string, Readonly<Record<string, string>>>;
  /** Serves an image under `host/repository:tag`; what is not given is made up from the reference. */
  serve(reference: string, image?: Partial<ServedImage>): ServedImage;
  /** Throws `Unauthorized` for a wrong password, or for none where one is asked for. */
  checkPassword(address: string, credential: Credential | undefined): void;
  /** Throws what the test wants to fail for one of `keys`. */
  checkFailures(...keys: readonly string[]): void;
  /** Throws `NotFound`. */
  find(reference: Reference): ServedImage;
}

/** Makes registries that serve nothing yet. */
export function createFakeRegistries(): FakeRegistries {
  const served = new Map<string, ServedImage>();
  const failures = new Map<string, FailureReason>();
  const passwords = new Map<string, Readonly<Record<string, string>>>();
  return {
    served,
    failures,
    passwords,
    serve(reference, image = {}) {
      const whole = toServedImage(reference, image);
      served.set(reference, whole);
      return whole;
    },
    checkPassword(address, credential) {
      const expected = passwords.get(address);
      if (expected === undefined) return;
      if (credential === undefined) throw new AgentError('Unauthorized', 'authentication required');
      if (expected[credential.username] !== credential.password.reveal()) {
        throw new AgentError('Unauthorized', 'incorrect password');
      }
    },
    checkFailures(...keys) {
      for (const key of keys) {
        const reason = failures.get(key);
        if (reason !== undefined) throw new AgentError(reason, `${key} fails with ${reason}`);
      }
    },
    find(reference) {
      const image =
        reference.digest === undefined
          ? served.get(formatTagged(reference) ?? '')
          : [...served].find(
              ([name, { digest }]) =>
                name.startsWith(`${formatRepository(reference)}:`) && digest === reference.digest,
            )?.[1];
      if (image === undefined)
        throw new AgentError('NotFound', `${formatReference(reference)} is not served`);
      return image;
    },
  };
}

/** An image for linux/amd64 of one layer; digest and id follow from `reference` where they are not given. */
function toServedImage(reference: string, image: Partial<ServedImage>): ServedImage {
  const digest = image.digest ?? `sha256:${sha256(reference)}`;
  return {
    id: `sha256:${sha256(digest)}`,
    digest,
    platform: { os: 'linux', architecture: 'amd64' },
    sizeBytes: 1_000_000,
    layers: { [sha256(`${digest} layer`).slice(0, 12)]: 1_000_000 },
    diffIds: [`sha256:${sha256(`${digest} layer`)}`],
    ...image,
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
