import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createHttpServer } from '#adapters/http-server';
import { systemClock } from '#adapters/system-clock';
import type { Clock } from '#agent/ports';
import type { WebRoute } from '#web/answer';
import { toTextAnswer } from '#web/answer';

const WAIT = { timeout: 30_000, interval: 10 };

/** Every wait of the server's own is short. */
const quickClock: Clock = { ...systemClock, sleep: (_delayMs, signal) => systemClock.sleep(5, signal) };

async function listen(): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function start(routes: Record<string, WebRoute>, options: { readonly port?: number } = {}) {
  let { port } = options;
  if (port === undefined) {
    const free = await listen();
    await free.close();
    port = free.port;
  }
  const lines: string[] = [];
  const take = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log = { debug: take, info: take, warn: take, error: take };
  const ending = new AbortController();
  const server = createHttpServer({
    port,
    routes: new Map(Object.entries(routes)),
    hostNames: ['Gate7.plant.example'],
    clock: quickClock,
    log,
  });
  const ended = server.run(ending.signal);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  onTestFinished(stop);
  return { port, lines, stop, isUp: () => lines.some((line) => line.includes('are served')) };
}

async function ask(
  port: number,
  path: string,
  method = 'GET',
  options: RequestOptions = {},
): Promise<IncomingMessage & { body: string }> {
  const asked = request({ port, path, method, agent: false, ...options });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return Object.assign(response, { body });
}

const hello: WebRoute = (query) => toTextAnswer(200, `hello ${query.get('name') ?? ''}`);

it('answers GET with the query and HEAD without a body, and lets nobody frame or sniff it', async () => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const answer = await ask(port, '/?name=%C3%A5&other');
  expect([answer.statusCode, answer.body]).toEqual([200, 'hello å\n']);
  expect(answer.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  expect(answer.headers['content-security-policy']).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
  const head = await ask(port, '/', 'HEAD');
  expect([head.statusCode, head.body, head.headers['content-length']]).toEqual([200, '', '7']);
});

it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s with 405', async (method) => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const { statusCode, headers } = await ask(port, '/', method);
  expect([statusCode, headers.allow]).toEqual([405, 'GET, HEAD']);
});

it.each(['/other', '/../etc/passwd', '//', '/%00', '*', 'http://elsewhere/'])(
  'has nothing at %s',
  async (path) => {
    const { port, isUp } = await start({ '/': hello });
    await expect.poll(isUp, WAIT).toBe(true);
    expect((await ask(port, path)).statusCode).toBe(404);
  },
);

it.each<[number, string]>([
  [200, '127.0.0.1:9600'],
  [200, '192.168.1.20'],
  [200, '[::1]:9600'],
  [200, '[fe80::1]'],
  [200, '[::ffff:192.168.1.20]:9600'],
  [200, 'puller:9600'],
  [200, 'LOCALHOST'],
  [200, 'gate7.local:9600'],
  [200, 'GATE7.plant.example.:9600'],
  [421, 'attacker.example'],
  [421, 'attacker.example:9600'],
  [421, '127.0.0.1.attacker.example:9600'],
  [421, 'gate7.plant.example.attacker.example'],
  [421, 'notlocal.example'],
])('answers %d to who asks for %s, which any site could lead here', async (status, host) => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  expect((await ask(port, '/', 'GET', { headers: { host } })).statusCode).toBe(status);
});

it('answers its own health check while others hold all that is open to them', async () => {
  const { port, isUp } = await start({ '/healthz': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const others = Array.from({ length: 60 }, () =>
    connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
  );
  onTestFinished(() => others.forEach((socket) => socket.destroy()));
  let refused = 0;
  for (const socket of others) socket.on('error', () => undefined).once('close', () => (refused += 1));
  await expect.poll(() => refused, WAIT).toBeGreaterThanOrEqual(12);
  expect((await ask(port, '/healthz', 'GET', { host: '127.0.0.1' })).statusCode).toBe(200);
});

it('answers one visitor after the other, however many there were', async () => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const from = { host: '127.0.0.1', localAddress: '127.0.0.2' };
  for (let visitor = 0; visitor < 60; visitor += 1)
    expect((await ask(port, '/', 'GET', from)).statusCode).toBe(200);
});

it('answers a collector that keeps its connection as often as it asks', async () => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const own = new Set<number | undefined>();
  for (let turn = 0; turn < 20; turn += 1) {
    const { statusCode, socket } = await ask(port, '/', 'GET', { agent });
    expect(statusCode).toBe(200);
    own.add(socket?.localPort);
  }
  expect(own.size).toBe(1);
});

it('answers who names no host, as HTTP/1.0 has it', async () => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const socket = connect(port);
  socket.end('GET / HTTP/1.0\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

it('a page that cannot be made is a 500 that says nothing of the cause, and the next one is answered', async () => {
  const { port, isUp, lines } = await start({
    '/': hello,
    '/broken': () => {
      throw new Error('no such thing');
    },
  });
  await expect.poll(isUp, WAIT).toBe(true);
  const { statusCode, body } = await ask(port, '/broken');
  expect([statusCode, body.includes('no such thing')]).toEqual([500, false]);
  expect(lines.join()).toContain('a page could not be made');
  expect((await ask(port, '/')).statusCode).toBe(200);
});

it('who sends many requests before one is answered is cut off, and of his few are answered', async () => {
  let pages = 0;
  const page: WebRoute = (query) => {
    pages += 1;
    return hello(query);
  };
  const { port, isUp } = await start({ '/': page });
  await expect.poll(isUp, WAIT).toBe(true);
  const socket = connect(port);
  socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2000));
  await once(socket.resume(), 'close');
  expect(pages).toBeLessThan(100);
  expect((await ask(port, '/')).statusCode).toBe(200);
});

it('what is no HTTP, and headers without end, are refused', async () => {
  const { port, isUp } = await start({ '/': hello });
  await expect.poll(isUp, WAIT).toBe(true);
  const send = async (text: string): Promise<string> => {
    const socket = connect(port);
    socket.on('error', () => undefined).end(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  expect(await send('hello there\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  expect(await send(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  );
});

it('a port that is taken is told once and waited for', async () => {
  const other = await listen();
  const { port, isUp, lines } = await start({ '/': hello }, other);
  await expect.poll(() => lines, WAIT).toHaveLength(1);
  expect(lines[0]).toMatch(/cannot be listened on.*EADDRINUSE/);
  expect(lines[0]).toContain(String(port));
  await other.close();
  await expect.poll(isUp, WAIT).toBe(true);
  expect(lines).toHaveLength(2);
  expect((await ask(port, '/')).statusCode).toBe(200);
});

it('tells each listener what is new, beats where nothing is, and refuses the ninth', async () => {
  const texts = ['{"a":1}', undefined, undefined, '{"a":2}'];
  let streams = 0;
  const { port, isUp } = await start({
    '/events': () => {
      streams += 1;
      const own = [...texts];
      return { next: () => own.shift() };
    },
  });
  await expect.poll(isUp, WAIT).toBe(true);
  const listeners = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const asked = request({ port, path: '/events', agent: false });
      asked.on('error', () => undefined).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      let told = '';
      response.on('data', (chunk: Buffer) => (told += String(chunk))).on('error', () => undefined);
      return { told: () => told, leave: () => asked.destroy(), type: response.headers['content-type'] };
    }),
  );
  for (const { told, type } of listeners) {
    expect(type).toBe('text/event-stream');
    await expect
      .poll(told, WAIT)
      .toMatch(/^data: \{"a":1\}\n\ndata: \{"a":2\}\n\n(event: beat\ndata:\n\n)+$/);
  }
  const ninth = await ask(port, '/events');
  expect([ninth.statusCode, ninth.headers['retry-after']]).toEqual([503, '30']);
  expect((await ask(port, '/events', 'HEAD')).statusCode).toBe(503);
  expect(streams).toBe(10);
  listeners[0]?.leave();
  await expect.poll(async () => (await ask(port, '/events', 'HEAD')).statusCode, WAIT).toBe(200);
});

/** Listens until it leaves, and tells what came. */
async function listenTo(port: number) {
  const asked = request({ port, path: '/events', agent: false });
  asked.on('error', () => undefined).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let told = '';
  let isOver = false;
  response.on('data', (chunk: Buffer) => (told += String(chunk))).on('error', () => undefined);
  response.on('close', () => (isOver = true));
  return { response, told: () => told, isOver: () => isOver, leave: () => asked.destroy() };
}

/** Whether a number is what it was when it was asked for before. */
function watch(toNumber: () => number): () => boolean {
  let last = -1;
  return () => {
    const before = last;
    last = toNumber();
    return last === before;
  };
}

it('tells one listener after the other, however many there were, and makes nothing when all have left', async () => {
  let made = 0;
  const next = (): string => {
    made += 1;
    return '{}';
  };
  const { port, isUp } = await start({ '/events': () => ({ next }) });
  await expect.poll(isUp, WAIT).toBe(true);
  for (let visitor = 0; visitor < 10; visitor += 1) {
    const { told, leave } = await listenTo(port);
    await expect.poll(told, WAIT).toContain('data: {}');
    leave();
    await expect
      .poll(
        watch(() => made),
        { timeout: 10_000, interval: 50 },
      )
      .toBe(true);
  }
});

it('lets a listener go for whom nothing can be made, and says so once', async () => {
  const next = (): never => {
    throw new Error('no such thing');
  };
  const { port, isUp, lines } = await start({ '/events': () => ({ next }) });
  await expect.poll(isUp, WAIT).toBe(true);
  const { isOver } = await listenTo(port);
  await expect.poll(isOver, WAIT).toBe(true);
  expect(lines.filter((line) => line.includes('told to a page'))).toHaveLength(1);
});

it('makes nothing for a listener that does not read', async () => {
  let made = 0;
  const next = (): string => {
    made += 1;
    return 'x'.repeat(1_000_000);
  };
  const { port, isUp } = await start({ '/events': () => ({ next }) });
  await expect.poll(isUp, WAIT).toBe(true);
  const { response, leave } = await listenTo(port);
  response.pause();
  await expect
    .poll(
      watch(() => made),
      { timeout: 10_000, interval: 300 },
    )
    .toBe(true);
  expect(made).toBeLessThan(100);
  leave();
});

it('ends at once, listeners or not', async () => {
  const { port, isUp, stop } = await start({ '/events': () => ({ next: () => undefined }) });
  await expect.poll(isUp, WAIT).toBe(true);
  const asked = request({ port, path: '/events', agent: false });
  const broken = once(asked, 'error');
  asked.end();
  await once(asked, 'response').then(([response]) =>
    (response as IncomingMessage).resume().on('error', () => asked.emit('error')),
  );
  await stop();
  await broken;
  await expect(ask(port, '/events')).rejects.toThrow('ECONNREFUSED');
});
