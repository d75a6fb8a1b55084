import { STATUS_CODES } from 'node:http';
import type { RegistryFaults } from './faults.ts';
import type { Target } from './targets.ts';

/** A whole answer, made here. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * An answer with one error in the words of Azure Container Registry. It has a detail always; without one, engines leave
 * out some messages.
 */
export function errorAnswer(status: number, code: string, message: string): Answer {
  const detail = `Please visit https://aka.ms/acr#${code} for more information.`;
  return jsonAnswer(status, { errors: [{ code, message, detail }] });
}

/** A JSON answer. */
export function jsonAnswer(status: number, value: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** What a client without a good password is told. */
export function unauthorizedAnswer(message: string): Answer {
  return errorAnswer(401, 'UNAUTHORIZED', message);
}

/** What a client without the right to pull is told. */
export function deniedAnswer(): Answer {
  return errorAnswer(403, 'DENIED', 'Insufficient scopes to perform the operation');
}

/** The answer that the switches ask for, `undefined` when they leave the request alone. */
export function faultAnswer(faults: Readonly<RegistryFaults>, target: Target): Answer | undefined {
  if (target.kind === 'blob' && [target.digest, 'any'].includes(faults.missingBlob ?? '')) {
    return errorAnswer(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  }
  const status = faultStatus(faults, target) ?? (faults.html ? 404 : undefined);
  if (status === undefined) return undefined;
  // A gateway that cannot reach the registry has no words of the registry's.
  const answer = faults.html || status >= 500 ? pageAnswer(status) : apiAnswer(status, target);
  return faults.retryAfterSeconds === undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'retry-after': String(faults.retryAfterSeconds) } };
}

function faultStatus(faults: Readonly<RegistryFaults>, target: Target): number | undefined {
  if (target.kind === 'token') return faults.tokenStatus;
  if (target.kind === 'ping') return faults.pingStatus;
  if (target.kind === 'manifest') return faults.manifestStatus;
  if (target.kind === 'blob') return faults.blobStatus;
  return undefined;
}

function apiAnswer(status: number, target: Target): Answer {
  if (status === 401) return unauthorizedAnswer('authentication required');
  if (status === 403) return deniedAnswer();
  if (status === 429) return errorAnswer(status, 'TOOMANYREQUESTS', 'too many requests');
  if (status === 404 && target.kind === 'manifest') {
    return errorAnswer(status, 'MANIFEST_UNKNOWN', 'manifest unknown');
  }
  if (status === 404 && target.kind === 'blob') return errorAnswer(status, 'BLOB_UNKNOWN', 'blob unknown');
  return errorAnswer(status, 'UNKNOWN', STATUS_CODES[status] ?? 'unknown error');
}

function pageAnswer(status: number): Answer {
  const title = `${status} ${STATUS_CODES[status] ?? ''}`.trim();
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html>\n<head><title>${title}</title></head>\n<body><center><h1>${title}</h1></center></body>\n</html>\n`,
  };
}
