import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Something that listens at a registry's address, over plain HTTP, and answers what the test wants. */
export interface StubRegistry {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly requests: readonly IncomingMessage[];
}

/** Starts it for one test. */
export async function startStubRegistry(
  answer: (request: IncomingMessage, response: ServerResponse, address: string) => void,
): Promise<StubRegistry> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response, address);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address, requests };
}

/** Answers `/v2/` with a challenge, and every other path with `body`. */
export function challengeThenAnswer(
  { url }: IncomingMessage,
  response: ServerResponse,
  { challenge, body, status = 200 }: { challenge: string; body: string; status?: number },
): void {
  if (url === '/v2/') response.writeHead(401, { 'www-authenticate': challenge }).end();
  else response.writeHead(status).end(body);
}
