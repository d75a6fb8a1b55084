/** Why an image waits: nothing is wrong, its turn has not come. */
export type WaitingReason = 'Queued' | 'Paused' | 'OutsideWindow' | 'LowDisk';

/** Why an image or a login failed. The list is closed: docs/twin-contract.md documents each. */
export type FailureReason =
  | 'InvalidImage'
  | 'UnknownRegistry'
  | 'Unauthorized'
  | 'AccessDenied'
  | 'NotFound'
  | 'PlatformMismatch'
  | 'DigestMismatch'
  | 'RegistryUnreachable'
  | 'RegistryUntrusted'
  | 'RegistryInsecure'
  | 'RegistryError'
  | 'RateLimited'
  | 'Corrupt'
  | 'DiskFull'
  | 'EngineUnavailable'
  | 'Stalled'
  | 'TimedOut'
  | 'Cancelled'
  | 'Unknown';

export type Reason = WaitingReason | FailureReason;

/**
 * How a failure is tried again.
 * - `never`: only a changed desired document or a `PullImages` call helps.
 * - `pull`: by another pull, with backoff.
 * - `check`: by asking the registry for the manifest first, with backoff; a pull follows only when that can help.
 * - `login`: by a login, once for all images of the registry, with backoff.
 * - `engine`: as soon as the engine answers.
 */
export type RetryKind = 'never' | 'pull' | 'check' | 'login' | 'engine';

interface FailureRow {
  readonly retry: RetryKind;
  /** What the operator does about it: one sentence, shown beside the failure. */
  readonly advice: string;
}

/** The one table of failures: how each is retried, and what the operator does. */
export const FAILURES: Readonly<Record<FailureReason, FailureRow>> = {
  InvalidImage: {
    retry: 'never',
    advice: 'Correct this entry in the desired properties; the message names the path.',
  },
  UnknownRegistry: {
    retry: 'never',
    advice:
      'Mend the entry of registryCredentials that the message names, set `registry` to another one, or write host:port in front of the repository.',
  },
  Unauthorized: {
    retry: 'login',
    advice:
      'Check username, password and password2: the token may be disabled or expired, not be among the connected registry’s client tokens (az acr connected-registry update --add-client-tokens), or a new password may not have arrived with a sync yet.',
  },
  AccessDenied: {
    retry: 'check',
    advice:
      'Add repositories/<repository>/content/read to the token’s scope map (az acr scope-map update --add-repository) and wait for the next sync.',
  },
  NotFound: {
    retry: 'check',
    advice:
      'Check repository and tag; if they are right, the registry on site has not synced them yet (az acr connected-registry permissions update --add) and the image is pulled as soon as it is there.',
  },
  PlatformMismatch: {
    retry: 'check',
    advice: 'Publish the image for this platform, or correct `platform` of this entry.',
  },
  DigestMismatch: {
    retry: 'check',
    advice:
      'The registry served other content than the digest says: correct the digest, or have the image pushed again.',
  },
  RegistryUnreachable: {
    retry: 'pull',
    advice:
      'Check that the registry runs, that its port is published, and that the host (not the module) resolves and reaches the address.',
  },
  RegistryUntrusted: {
    retry: 'pull',
    advice:
      'Put the CA that signed the registry’s certificate into registryCredentials.<name>.ca, which the relay trusts, or for the engine at /etc/docker/certs.d/<host:port>/ca.crt on the host (no restart needed); use the name that the certificate carries, and check the device’s clock.',
  },
  RegistryInsecure: {
    retry: 'pull',
    advice:
      'The registry speaks plain HTTP: let its images come through the relay (CheckRegistry says what that lacks), reach it as 127.0.0.1:<port>, add it to insecure-registries in /etc/docker/daemon.json (systemctl reload docker), or go through the API proxy (HTTPS).',
  },
  RegistryError: {
    retry: 'pull',
    advice:
      'Look at the logs of the registry and of the proxy before it: it answered, but not as a registry does.',
  },
  RateLimited: {
    retry: 'pull',
    advice: 'The registry asks for fewer requests; the pull goes on by itself after the delay.',
  },
  Corrupt: {
    retry: 'pull',
    advice:
      'A blob is missing or damaged at the registry: wait for its sync to complete, or push the image again.',
  },
  DiskFull: {
    retry: 'pull',
    advice:
      'Free space on the engine’s disk (docker image prune), or list fewer images and set settings.unlisted to remove.',
  },
  EngineUnavailable: {
    retry: 'engine',
    advice:
      'Check that the Docker engine runs, that its socket is bound into the module, and that GroupAdd in the createOptions holds the socket’s group id.',
  },
  Stalled: {
    retry: 'pull',
    advice:
      'The registry sent no byte for too long: check the link to it; where that is very slow, raise stallTimeoutSeconds.',
  },
  TimedOut: {
    retry: 'pull',
    advice: 'One attempt outlasted pullTimeoutSeconds: raise it for large images on slow links.',
  },
  Cancelled: {
    retry: 'never',
    advice: 'Call PullImages, or change the desired properties, to have it pulled again.',
  },
  Unknown: {
    retry: 'pull',
    advice: 'The engine’s words are in the message; look at its log (journalctl -u docker).',
  },
};

/** What the operator does about a reason; undefined where it passes by itself or is one's own wish. */
export function toReasonAdvice(reason: Reason | undefined): string | undefined {
  // Room is made in the same way, whether it was missed before a pull or in it.
  const failure = reason === 'LowDisk' ? 'DiskFull' : reason;
  return isFailure(failure) ? FAILURES[failure].advice : undefined;
}

/** Whether it is a reason why something failed, and does not merely wait. */
export const isFailure = (reason: unknown): reason is FailureReason =>
  typeof reason === 'string' && Object.hasOwn(FAILURES, reason);

interface AgentErrorOptions extends ErrorOptions {
  /** Parts of the message that are a registry's words, in which it may repeat what it was sent. */
  readonly quoted?: readonly string[];
}

/** A failure with its reason, classified once, where it first appears. Anything else that is thrown is a bug. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly reason: FailureReason;
  #quoted: readonly string[];

  constructor(reason: FailureReason, message: string, options: AgentErrorOptions = {}) {
    super(message, options);
    this.reason = reason;
    this.#quoted = options.quoted ?? [];
  }

  /** These parts of the message are a registry's words too. */
  quote(...words: readonly string[]): void {
    this.#quoted = [...this.#quoted, ...words];
  }

  /** Says what is quoted in other words, once: several may have waited for one failure. */
  requote(toOthers: (words: string) => string): void {
    for (const words of this.#quoted.filter((quoted) => quoted !== '')) {
      const others = toOthers(words);
      this.message = this.message.replaceAll(words, () => others);
      this.stack = this.stack?.replaceAll(words, () => others) ?? '';
    }
    this.#quoted = [];
  }

  /** `error` itself where it is an AgentError; else an AgentError of reason `Unknown` that keeps it as its cause. */
  static of(error: unknown): AgentError {
    if (error instanceof AgentError) return error;
    return new AgentError('Unknown', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** What a login failed by: some registries call it a missing right, and a login asks for none that could be missing. */
export function toLoginFailure(error: unknown): unknown {
  const isRight = error instanceof AgentError && error.reason === 'AccessDenied';
  return isRight ? new AgentError('Unauthorized', error.message, { cause: error }) : error;
}

/** A connection was there and broke off: asked again, the same question may well be answered. */
export class BrokenConnection extends AgentError {
  constructor(message: string, options?: ErrorOptions) {
    super('RegistryUnreachable', message, options);
  }
}
