import type { Credential } from '#core/desired-state';
import { AgentError, BrokenConnection } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { withoutLogin } from '#core/registry-auth';

/** What was asked, and with what. */
export interface Asked {
  readonly subject: string;
  readonly credential: Credential | undefined;
  /** The `Authorization` that was sent. */
  readonly authorization: string | undefined;
}

/** What a registry said instead of an answer. */
export interface Refused {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** An answer to the question itself with a status that was not wanted. */
export class StatusFailure extends AgentError {
  readonly status: number;

  constructor(reason: FailureReason, message: string, status: number) {
    super(reason, message);
    this.status = status;
  }
}

/** One after which the registry wants to be left alone for a while. */
export class BusyRegistry extends StatusFailure {
  readonly retryAfterMs: number;

  constructor(failure: StatusFailure, retryAfterMs: number) {
    super(failure.reason, failure.message, failure.status);
    this.retryAfterMs = retryAfterMs;
  }
}

const STATUS_REASONS: Readonly<Record<number, FailureReason>> = {
  401: 'Unauthorized',
  403: 'AccessDenied',
  404: 'NotFound',
  416: 'Corrupt',
  429: 'RateLimited',
};

/**
 * What a status that was not wanted means. A page in the place of a registry's own words is of what stands before it:
 * only its 429 says anything about the question.
 *
 * @param nowMs - since 1970
 */
export function toRegistryFailure(refused: Refused, asked: Asked, nowMs: number): StatusFailure {
  const { status, contentType, retryAfter } = refused;
  const isForeign = /html/i.test(contentType) && status !== 429;
  const reason = isForeign ? 'RegistryError' : (STATUS_REASONS[status] ?? 'RegistryError');
  const words = isForeign ? '' : toWords(refused.body, asked);
  const message = `${asked.subject}: the registry answered ${status}${words === '' ? '' : ` (${words})`}`;
  const failure = new StatusFailure(reason, message, status);
  const delayMs = parseRetryAfter(retryAfter, nowMs);
  return delayMs === undefined ? failure : new BusyRegistry(failure, delayMs);
}

/** A `Retry-After` header, seconds or a date, as a delay of at least 0; undefined where it is neither. */
function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const delayMs = /^\s*\d{1,9}\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(delayMs) ? Math.max(delayMs, 0) : undefined;
}

const MAX_WORDS = 200;

/** The registry's own first error, on one line, without what it repeats of the login; empty where it says none. */
export function toWords(body: string, { credential, authorization }: Asked): string {
  try {
    const { errors } = Object(JSON.parse(body)) as { errors?: unknown };
    const { code, message } = Object(Array.isArray(errors) ? errors[0] : undefined) as Record<
      string,
      unknown
    >;
    const words = [code, message].filter((word) => typeof word === 'string' && word !== '').join(': ');
    return withoutLogin(words, credential, authorization)
      .replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .slice(0, MAX_WORDS)
      .toWellFormed();
  } catch {
    return '';
  }
}

/** The certificate, or who signed it, is not good enough. */
const DISTRUST =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/;

/** The other side had taken the connection, and let it go. */
const BROKEN = /^(?:ECONNRESET|EPIPE)$/;

/** OpenSSL's own words, among its numbers and the places in its source. */
const HANDSHAKE = /:SSL routines:[^:]*:([^:]+)/;

/** What it means that a registry could not be spoken to. */
export function toNetworkFailure(error: unknown, address: string): AgentError {
  if (error instanceof AgentError) return error;
  const { code, message = '' } = Object(error) as { code?: unknown; message?: string };
  if (code === 'EPROTO') {
    const [, words = message] = HANDSHAKE.exec(message) ?? [];
    return new AgentError('RegistryError', `${address}: the TLS handshake failed: ${words}`, {
      cause: error,
    });
  }
  const words = message === '' ? String(code) : message;
  const told = words.includes(address) ? words : `${address}: ${words}`;
  if (BROKEN.test(String(code))) return new BrokenConnection(told, { cause: error });
  const reason = DISTRUST.test(String(code)) ? 'RegistryUntrusted' : 'RegistryUnreachable';
  return new AgentError(reason, told, { cause: error });
}
