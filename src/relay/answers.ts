import { AgentError } from '#core/reason';
import { toNetworkFailure, toRegistryFailure } from '#relay/registry-failure';
import type { Asked, StatusFailure } from '#relay/registry-failure';
import type { Answer } from '#relay/registry-line';
import { readBody } from '#relay/request';

/** The body of an answer that was wanted; undefined where it is longer. Rejects with an `AgentError` where it breaks. */
export async function readWanted(
  { response }: Answer,
  maxBytes: number,
  address: string,
): Promise<Buffer | undefined> {
  try {
    return await readBody(response, maxBytes);
  } catch (error) {
    throw toNetworkFailure(error, address);
  }
}

const MAX_REFUSAL_BYTES = 10_000;

/**
 * What an answer means that was not wanted; its body is read for the registry's words.
 *
 * @param nowMs - since 1970
 */
export async function toFailure({ response }: Answer, asked: Asked, nowMs: number): Promise<StatusFailure> {
  const body = await readBody(response, MAX_REFUSAL_BYTES).catch(() => undefined);
  const { statusCode: status = 0, headers } = response;
  const refused = {
    status,
    contentType: headers['content-type'] ?? '',
    retryAfter: headers['retry-after'],
    body: String(body ?? ''),
  };
  return toRegistryFailure(refused, asked, nowMs);
}

/** Ends work that takes longer by `RegistryUnreachable`, and for `outer`'s own reason where that aborts. */
export async function withinTime<T>(
  limitMs: number,
  address: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  try {
    return await work(outer === undefined ? limit : AbortSignal.any([outer, limit]));
  } catch (error) {
    outer?.throwIfAborted();
    if (!limit.aborted) throw error;
    throw new AgentError('RegistryUnreachable', `${address}: no answer in time`);
  }
}
