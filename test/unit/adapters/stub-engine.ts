import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Something that listens at an engine's socket and answers what the test wants. */
export interface StubEngine {
  readonly socketPath: string;
  readonly dockerHost: string;
  /** `POST /auth`, with the query as it came. */
  readonly requests: readonly IncomingMessage[];
}

/** Starts it for one test. */
export async function startStubEngine(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<StubEngine> {
  const dir = await makeTempDir();
  const socketPath = join(dir, 'docker.sock');
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume();
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { socketPath, dockerHost: `unix://${socketPath}`, requests };
}

/** An empty folder that goes with the test. */
export async function makeTempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'engine-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Answers with JSON. */
export function answerJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
