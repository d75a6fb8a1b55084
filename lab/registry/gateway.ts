import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Agent, request as sendRequest } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Answer } from './answers.ts';
import { faultAnswer } from './answers.ts';
import type { Delivery } from './delivery.ts';
import type { RegistryFaults } from './faults.ts';
import type { OpenRequest } from './request-log.ts';
import { openRequest } from './request-log.ts';
import type { Target } from './targets.ts';
import { toTarget } from './targets.ts';

/** What stands between clients and the registry itself. */
export interface GatewayOptions {
  /** Of the registry behind. */
  readonly socketPath: string;
  readonly faults: Readonly<RegistryFaults>;
  readonly delivery: Delivery;
  readonly onRequest: (record: OpenRequest) => void;
  /** Answers tokens and refusals; `undefined` lets the request through. */
  readonly answer: (request: IncomingMessage, target: Target) => Promise<Answer | undefined>;
}

/** Handles each request at the registry's address; never rejects. */
export type Gateway = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** The gateway of one registry. */
export function createGateway(options: GatewayOptions): Gateway {
  const agent = new Agent({ keepAlive: true });

  const serve = async (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => {
    const record = openRequest(request);
    options.onRequest(record);
    const target = toTarget(record.path);
    await options.delivery.hold(target, signal);
    const answer = faultAnswer(options.faults, target) ?? (await options.answer(request, target));
    if (answer !== undefined) {
      sendAnswer({ answer, response, record, isHead: request.method === 'HEAD' });
      return;
    }
    const upstream = await forward(request, signal);
    record.status = upstream.statusCode ?? 0;
    response.writeHead(record.status, upstream.headers);
    const bodyBytes = Number(upstream.headers['content-length'] ?? 0);
    const parcel = { target, record, response, bodyBytes, signal };
    await pipeline(
      upstream,
      (body) => options.delivery.shape(body as AsyncIterable<Buffer>, parcel),
      response,
    );
  };

  const forward = (request: IncomingMessage, signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const upstream = sendRequest({
      socketPath: options.socketPath,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: toForwardedHeaders(request, options.faults),
      agent,
      signal,
    });
    upstream.once('response', resolve).once('error', reject);
    request.pipe(upstream);
    return promise;
  };

  return async (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    // A connection that the client or a switch broke is nobody's error, and a broken registry behind looks the same.
    await serve(request, response, gone.signal).catch(() => {
      if (options.faults.resets) request.socket.resetAndDestroy();
      else response.destroy();
    });
  };
}

function toForwardedHeaders(request: IncomingMessage, faults: Readonly<RegistryFaults>): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...request.headers };
  delete headers.connection;
  if (faults.ignoreRange) delete headers.range;
  return headers;
}

function sendAnswer(options: {
  answer: Answer;
  response: ServerResponse;
  record: OpenRequest;
  isHead: boolean;
}): void {
  const { answer, response, record, isHead } = options;
  const body = Buffer.from(answer.body);
  record.status = answer.status;
  record.bytes = isHead ? 0 : body.length;
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
  response.end(isHead ? undefined : body);
}
