import { backoffMs, jitterMs } from '#core/backoff';
import type { CredentialName, Credential, DesiredRegistry } from '#core/desired-state';
import type { Moment } from '#core/image-record';
import type { FailureReason } from '#core/reason';

/** What is known of the login at a registry. */
export type Login =
  | { readonly kind: 'unknown' }
  /** `credential` is absent for an anonymous registry. */
  | { readonly kind: 'accepted'; readonly credential?: CredentialName; readonly checkedAtMs?: number }
  | {
      readonly kind: 'failed';
      readonly reason: FailureReason;
      readonly message: string;
      readonly checkedAtMs: number;
      /** Absent where only other credentials can help. */
      readonly retryAtMs?: number;
    };

/** What the agent remembers of one listed registry between two passes. */
export interface RegistryRecord {
  readonly registry: DesiredRegistry;
  readonly login: Login;
  /** Logins that failed in a row. */
  readonly attempts: number;
  /** A pull failed in a way that only a login can tell apart: whether the registry or the image is at fault. */
  readonly isSuspect: boolean;
  readonly nextCheckAtMs?: number;
}

/** How a login ended: with which credential, or why not. */
export type LoginOutcome =
  | { readonly kind: 'accepted'; readonly credential?: CredentialName }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/** The record for what is desired now: kept while address and credentials are the same, else begun. */
export function toRegistryRecord(
  before: RegistryRecord | undefined,
  registry: DesiredRegistry,
): RegistryRecord {
  if (before !== undefined && isSameRegistry(before.registry, registry)) return before;
  const login: Login = registry.credentials.length === 0 ? { kind: 'accepted' } : { kind: 'unknown' };
  return { registry, login, attempts: 0, isSuspect: false };
}

/** The record after a login. */
export function loggedIn(record: RegistryRecord, outcome: LoginOutcome, moment: Moment): RegistryRecord {
  const { nowMs, policy, random } = moment;
  if (outcome.kind === 'accepted') {
    const { nextCheckAtMs: _nextCheckAtMs, ...rest } = record;
    const refreshMs = policy.refreshIntervalSeconds * 1000;
    return {
      ...rest,
      login: { ...outcome, checkedAtMs: nowMs },
      attempts: 0,
      isSuspect: false,
      ...(refreshMs > 0 ? { nextCheckAtMs: nowMs + jitterMs(refreshMs, random) } : {}),
    };
  }
  const attempts = record.attempts + 1;
  const retryAtMs = nowMs + backoffMs(attempts, policy, random);
  return { ...record, login: { ...outcome, checkedAtMs: nowMs, retryAtMs }, attempts, isSuspect: false };
}

/** The login is tried now, and the backoff begins anew. A login that nobody doubts is left alone. */
export function loginDemanded(record: RegistryRecord, nowMs: number): RegistryRecord {
  if (record.login.kind !== 'failed' || record.login.retryAtMs === undefined) return record;
  return { ...record, attempts: 0, login: { ...record.login, retryAtMs: nowMs } };
}

/** The login of a registry whose passwords are not known: it waits for them. */
export function withoutPasswords(record: RegistryRecord, message: string, nowMs: number): RegistryRecord {
  return { ...record, login: { kind: 'failed', reason: 'Unauthorized', message, checkedAtMs: nowMs } };
}

/** The record after the machine's clock was set: every time to come moves with it. */
export function shiftedRegistry(record: RegistryRecord, byMs: number): RegistryRecord {
  const { login, nextCheckAtMs } = record;
  const isTimed = login.kind === 'failed' && login.retryAtMs !== undefined;
  return {
    ...record,
    login: isTimed ? { ...login, retryAtMs: login.retryAtMs + byMs } : login,
    ...(nextCheckAtMs === undefined ? {} : { nextCheckAtMs: nextCheckAtMs + byMs }),
  };
}

/** When the next login is due: 0 for now, milliseconds since 1970, or undefined for never. */
export function toLoginDueMs({
  registry,
  login,
  isSuspect,
  nextCheckAtMs,
}: RegistryRecord): number | undefined {
  if (isSuspect || login.kind === 'unknown') return 0;
  if (login.kind === 'failed') return login.retryAtMs;
  return registry.credentials.length === 0 ? undefined : nextCheckAtMs;
}

/** The credentials in the order to try them: the one that was accepted last comes first. */
export function toCredentials({ registry, login }: RegistryRecord): readonly Credential[] {
  const accepted = login.kind === 'accepted' ? login.credential : undefined;
  return registry.credentials.toSorted((a, b) => Number(b.name === accepted) - Number(a.name === accepted));
}

/** The credential to pull with; undefined for an anonymous registry. */
export function toCredential({ registry, login }: RegistryRecord): Credential | undefined {
  if (login.kind !== 'accepted') return registry.credentials[0];
  return registry.credentials.find(({ name }) => name === login.credential);
}

function isSameRegistry(a: DesiredRegistry, b: DesiredRegistry): boolean {
  return (
    a.address === b.address &&
    a.ca === b.ca &&
    a.credentials.length === b.credentials.length &&
    a.credentials.every((credential, index) => {
      const other = b.credentials[index];
      return other !== undefined && credential.name === other.name && isSameCredential(credential)(other);
    })
  );
}

/** Whether two are the same to a registry, whatever they are called. */
export const isSameCredential =
  (a: Credential) =>
  (b: Credential): boolean =>
    a.username === b.username && a.password.equals(b.password);
