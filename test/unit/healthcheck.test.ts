import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';

/** Runs the check as the image does. */
async function check(httpPort: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['src/healthcheck.ts'], { env: { HTTP_PORT: httpPort } });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { code: code as number | null, output };
}

/** Starts a server that answers as the module would. @returns its port */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return String((server.address() as AddressInfo).port);
}

test('is well when the module says so at /healthz', async () => {
  const asked: string[] = [];
  const port = await serve(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.end('ok');
  });
  expect(await check(port)).toEqual({ code: 0, output: 'HTTP/1.1 200 OK\n' });
  expect(asked).toEqual(['GET /healthz']);
});

test('is ill when the module says that its loop hangs, and tells what it said', async () => {
  const port = await serve((_request, response) => response.writeHead(503).end('the loop hangs'));
  expect(await check(port)).toEqual({ code: 1, output: 'HTTP/1.1 503 Service Unavailable\n' });
});

test('is ill when the connection is closed without an answer', async () => {
  const port = await serve(({ socket }) => socket.end());
  expect(await check(port)).toEqual({ code: 1, output: 'no answer\n' });
});

test('is ill when nobody listens', async () => {
  expect(await check('1')).toEqual({ code: 1, output: 'connect ECONNREFUSED 127.0.0.1:1\n' });
});

test('is well when there is no port to ask at', async () => {
  expect(await check('0')).toEqual({ code: 0, output: 'HTTP_PORT is 0: nobody to ask\n' });
});
