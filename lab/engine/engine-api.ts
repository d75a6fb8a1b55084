import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** How to reach an engine: `unix:///path` or `tcp://host:port`. */
export type DockerHost = string;

/** One call to an engine. */
export interface EngineCall {
  /** Default GET. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** With its query, without an API version: the engine then takes its newest. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** What an engine answered; `body` is still being received. */
export interface EngineAnswer {
  readonly status: number;
  readonly body: IncomingMessage;
}

/** A name and a password for a registry. */
export interface PullCredentials {
  readonly username: string;
  readonly password: string;
}

/** Sends a call. Rejects when the engine cannot be reached. */
export function callEngine(dockerHost: DockerHost, call: EngineCall): Promise<EngineAnswer> {
  const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
  const { promise, resolve, reject } = Promise.withResolvers<EngineAnswer>();
  request({
    ...toAddress(dockerHost),
    method: call.method ?? 'GET',
    path: call.path,
    headers: {
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...call.headers,
    },
    // No connection outlives its call: an engine that is stopped or paused leaves none behind.
    agent: false,
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  })
    .once('response', (body: IncomingMessage) => resolve({ status: body.statusCode ?? 0, body }))
    .once('error', reject)
    .end(payload);
  return promise;
}

/**
 * Sends a call and reads the JSON it is answered with, `undefined` for an empty answer.
 * @throws for a status from 400 on, with the engine's message.
 */
export async function callEngineJson(dockerHost: DockerHost, call: EngineCall): Promise<unknown> {
  const { status, body } = await callEngine(dockerHost, call);
  const answer = await text(body);
  if (status < 400) return answer === '' ? undefined : JSON.parse(answer);
  throw new Error(`${call.method ?? 'GET'} ${call.path}: ${status} ${answer.trim()}`);
}

/**
 * The X-Registry-Auth header. The padding matters: without it the engine drops the header without a word.
 * @see https://github.com/moby/moby/blob/v20.10.24/api/server/router/image/image_routes.go
 */
export function formatRegistryAuth(credentials: PullCredentials, registry: string): string {
  const json = JSON.stringify({ ...credentials, serveraddress: registry });
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** For Node.js's `request`. @throws for an address of another kind */
export function toAddress(dockerHost: DockerHost): { socketPath: string } | { host: string; port: string } {
  const url = new URL(dockerHost);
  if (url.protocol === 'unix:') return { socketPath: decodeURIComponent(url.pathname) };
  if (url.protocol === 'tcp:' || url.protocol === 'http:') return { host: url.hostname, port: url.port };
  throw new Error(`not an engine's address: ${dockerHost}`);
}
