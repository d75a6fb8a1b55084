import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';

/** What a method of the module answered. */
export interface Answer {
  /** HTTP-like. */
  readonly status: number;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Calls a method of the running module. @throws NoModule */
export type Call = (method: string, payload?: object) => Promise<Answer>;

/** Nobody listens at the module's socket, or nobody answers. */
export class NoModule extends Error {
  override readonly name = 'NoModule';
}

/** Longer than any method takes. */
const TIMEOUT_MS = 30_000;

/** Makes the way to the module that listens at `socketPath`. */
export function createCall(socketPath: string): Call {
  return async (method, payload = {}) => {
    try {
      return await post(socketPath, method, JSON.stringify(payload));
    } catch (error) {
      throw new NoModule(toReason(socketPath, error), { cause: error });
    }
  };
}

async function post(socketPath: string, method: string, body: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ socketPath, path: `/${method}`, method: 'POST', agent: false, timeout: TIMEOUT_MS })
    .once('response', resolve)
    .once('error', reject)
    .once('timeout', function end(this: { destroy(error: Error): void }) {
      this.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`));
    })
    .end(body);
  const response = await promise;
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, payload: JSON.parse(text) as Answer['payload'] };
}

function toReason(socketPath: string, error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `The module does not run here, or has just begun: nobody listens at ${socketPath}. Its log says more (docker logs, iotedge logs).`;
    case 'EACCES':
      return `Only the user that the module runs as can speak to it: leave --user out.`;
    case undefined:
    default:
      return `The module does not answer at ${socketPath}: ${message ?? String(error)}`;
  }
}
