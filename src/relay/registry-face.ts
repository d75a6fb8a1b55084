import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Log } from '#agent/ports';
import { toMediaType } from '#core/manifest';
import { AgentError } from '#core/reason';
import { parseRange } from '#relay/byte-range';
import type { Shelf } from '#relay/offers';
import { parseTarget } from '#relay/registry-path';

/** What {@link createRegistryFace} takes. */
export interface RegistryFaceOptions {
  readonly shelf: Shelf;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
}

/** Handles one request. Never throws; nothing of what a registry said of a failure is in any answer. */
export type RegistryFace = (request: IncomingMessage, response: ServerResponse) => void;

/** A blob's answer begins by then, first byte or not: clients may wait only so long for the headers. */
const FIRST_BYTE_WAIT_MS = 5000;

/** One question about something that is offered. */
interface Question {
  readonly name: string;
  /** Digest or tag. */
  readonly what: string;
  readonly range: string | undefined;
  readonly isHead: boolean;
  readonly response: ServerResponse;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/**
 * The pull half of a registry: GET and HEAD of what is on the shelf, and nothing else.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pull
 */
export function createRegistryFace({ shelf, clock, log }: RegistryFaceOptions): RegistryFace {
  async function answerManifest({ name, what, isHead, response, signal }: Question): Promise<void> {
    const manifest = await shelf.findManifest(name, what, signal);
    if (manifest === undefined) return refuse(response, 404, 'MANIFEST_UNKNOWN');
    const { digest, mediaType, bytes } = manifest;
    response.writeHead(200, {
      'Content-Type': toMediaType(mediaType),
      'Content-Length': bytes.length,
      ...toDigestHeaders(digest),
    });
    response.end(isHead ? undefined : bytes);
  }

  async function answerBlob(question: Question): Promise<void> {
    const { name, what: digest, isHead, response, signal } = question;
    const sizeBytes = await shelf.findBlob(name, digest, signal);
    if (sizeBytes === undefined) return refuse(response, 404, 'BLOB_UNKNOWN');
    const range = parseRange(question.range, sizeBytes);
    if (range === 'unsatisfiable') {
      response.setHeader('Content-Range', `bytes */${sizeBytes}`);
      return refuse(response, 416, 'RANGE_INVALID');
    }
    const { first, last } = range === 'whole' ? { first: 0, last: sizeBytes - 1 } : range;
    const begin = (): void => {
      if (range !== 'whole') response.setHeader('Content-Range', `bytes ${first}-${last}/${sizeBytes}`);
      response.writeHead(range === 'whole' ? 200 : 206, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': last - first + 1,
        'Accept-Ranges': 'bytes',
        ...toDigestHeaders(digest),
      });
    };
    if (isHead) {
      begin();
      response.end();
      return undefined;
    }
    const read = shelf.readBlob({ name, digest, fromByte: first, signal });
    const body = cut(read, { lengthBytes: last - first + 1, isToEnd: last === sizeBytes - 1 });
    try {
      await send(body, { response, signal, begin });
    } finally {
      // Whoever does not read on lets go of the registry's connection.
      await body.return(undefined);
    }
  }

  async function send(
    body: AsyncGenerator<Uint8Array>,
    { response, signal, begin }: Pick<Question, 'response' | 'signal'> & { readonly begin: () => void },
  ): Promise<void> {
    const reading = body.next();
    // Where it fails at once the client is told so, and need not try again; it may not wait for that for ever.
    const waiting = new AbortController();
    const late = clock.sleep(FIRST_BYTE_WAIT_MS, AbortSignal.any([signal, waiting.signal]));
    try {
      await Promise.race([reading, late]);
    } finally {
      waiting.abort('begun');
    }
    begin();
    response.flushHeaders();
    for (let step = await reading; step.done !== true; step = await body.next()) {
      if (!response.write(step.value) && !signal.aborted) await drain(response);
      signal.throwIfAborted();
    }
    response.end();
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return refuse(response, 405, 'UNSUPPORTED');
    }
    const target = parseTarget(url);
    if (target === undefined) return refuse(response, 404, 'UNSUPPORTED');
    if (target.kind === 'ping') return sendJson(response, 200, {});
    const { kind, name, what } = target;
    if (!shelf.noteAsked(name)) return refuse(response, 404, 'NAME_UNKNOWN');
    const gone = new AbortController();
    // At the end of each answer it would make an error, and its stack.
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const question = {
      name,
      what,
      range: toRangeHeader(headers, what),
      response,
      isHead: method === 'HEAD',
      signal: gone.signal,
    };
    try {
      await (kind === 'manifest' ? answerManifest(question) : answerBlob(question));
    } catch (error) {
      if (gone.signal.aborted) return undefined;
      if (!(error instanceof AgentError)) throw error;
      log.debug({ reason: error.reason, error: error.message }, 'the relay gave up what was asked of it');
      if (response.headersSent) response.destroy();
      else refuse(response, 404, kind === 'manifest' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN');
    }
    return undefined;
  }

  return (request, response) => {
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.on('error', () => undefined);
    if (hasBody(request)) response.shouldKeepAlive = false;
    answer(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'an answer of the relay could not be made');
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'UNKNOWN');
    });
  };
}

/** Resolves when more can be written, or the client is gone: by events alone, for there are thousands of pieces. */
function drain(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      response.off('drain', end).off('close', end);
      resolve();
    };
    response.on('drain', end).on('close', end);
  });
}

/** Nobody reads it: what follows it on the connection is not understood. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** What has this digest is the same for ever: a range counts unless it is to be of something else. */
const toRangeHeader = (headers: IncomingHttpHeaders, digest: string): string | undefined =>
  (headers['if-range'] ?? toEntityTag(digest)) === toEntityTag(digest) ? headers.range : undefined;

const toEntityTag = (digest: string): string => `"${digest}"`;

const toDigestHeaders = (digest: string): Record<string, string> => ({
  'Docker-Content-Digest': digest,
  ETag: toEntityTag(digest),
});

/** In the words of the registry's own API. */
const MESSAGES = {
  NAME_UNKNOWN: 'repository name not known to registry',
  MANIFEST_UNKNOWN: 'manifest unknown',
  BLOB_UNKNOWN: 'blob unknown to registry',
  RANGE_INVALID: 'invalid content range',
  UNSUPPORTED: 'The operation is unsupported.',
  UNKNOWN: 'unknown error',
} as const;

function refuse(response: ServerResponse, status: number, code: keyof typeof MESSAGES): void {
  sendJson(response, status, { errors: [{ code, message: MESSAGES[code], detail: {} }] });
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  // Node sends no body to a HEAD.
  response.end(body);
}

/** So many bytes of a body; to its end, it is read until it says so itself. Throws where there are fewer or more. */
async function* cut(
  body: AsyncIterable<Uint8Array>,
  { lengthBytes, isToEnd }: { readonly lengthBytes: number; readonly isToEnd: boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = lengthBytes;
  for await (const chunk of body) {
    if (isToEnd && chunk.length > left)
      throw new AgentError('Corrupt', 'a blob is larger than its manifest says');
    yield chunk.subarray(0, left);
    left -= Math.min(chunk.length, left);
    if (left === 0 && !isToEnd) return;
  }
  if (left > 0) throw new AgentError('Corrupt', 'a blob is smaller than its manifest says');
}
