import { AgentError } from '#core/reason';
import { toNetworkFailure, toRegistryFailure, toWords } from '#relay/registry-failure';
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
/** What a registry says to a refusal is worth no longer. */
const REFUSAL_MS = 2000;

/** The body of an answer that was not wanted; empty where it is long, or does not come. */
async function readRefusal({ response }: Answer): Promise<string> {
  response.on('error', () => undefined);
  const timer = setTimeout(() => response.destroy(), REFUSAL_MS);
  const body = await readBody(response, MAX_REFUSAL_BYTES).catch(() => undefined);
  clearTimeout(timer);
  return String(body ?? '');
}

/** What a registry says to a request that it wants a login for, in parentheses; empty where it says nothing. */
export async function readWords(answer: Answer, asked: Asked): Promise<string> {
  const words = toWords(await readRefusal(answer), asked);
  return words === '' ? '' : ` (${words})`;
}

/**
 * What an answer means that was not wanted; its body is read for the registry's words.
 *
 * @param nowMs - since 1970
 */
export async function toFailure(answer: Answer, asked: Asked, nowMs: number): Promise<StatusFailure> {
  const body = await readRefusal(answer);
  const { statusCode: status = 0, headers } = answer.response;
  const contentType = headers['content-type'] ?? '';
  const refused = { status, contentType, retryAfter: headers['retry-after'], body };
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
