import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ImageBlob } from '../images/image.ts';
import { MANIFEST_MEDIA_TYPES } from '../images/image.ts';

/** One call to the registry behind the front. */
export interface BackingCall {
  /** All that it touches. */
  readonly repositories: readonly string[];
  readonly method: 'HEAD' | 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Sent as it is opened, with its size and media type. */
  readonly payload?: ImageBlob;
  /** The statuses that the caller knows what to do with. */
  readonly expects: readonly number[];
}

/** What the registry answered. */
export interface BackingReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Rejects with the registry's words for a status that was not expected. */
export type BackingClient = (call: BackingCall) => Promise<BackingReply>;

/** What {@link createBackingClient} takes. */
export interface BackingClientOptions {
  readonly socketPath: string;
  /** `host:port`. */
  readonly address: string;
  /** An Authorization header that lets everything be done to the repositories. */
  readonly authorize: (repositories: readonly string[]) => OutgoingHttpHeaders;
}

/** A client that goes past the front and keeps no connection. */
export function createBackingClient(options: BackingClientOptions): BackingClient {
  return async ({ repositories, method, path, payload, expects }) => {
    const headers = {
      host: options.address,
      // Without all of them the registry makes up a manifest of the first schema.
      accept: MANIFEST_MEDIA_TYPES.join(', '),
      ...options.authorize(repositories),
      ...(payload && { 'content-type': payload.mediaType, 'content-length': payload.sizeBytes }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<BackingReply>();
    const outgoing = request({ socketPath: options.socketPath, method, path, headers, agent: false });
    outgoing.once('error', reject).once('response', (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    if (payload === undefined) outgoing.end();
    else pipeline(payload.open(), outgoing).catch(reject);

    const reply = await promise;
    if (expects.includes(reply.status)) return reply;
    throw new Error(`${method} ${path}: ${reply.status} ${reply.body.toString().trim()}`);
  };
}
