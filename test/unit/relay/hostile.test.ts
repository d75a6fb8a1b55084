import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { AgentError } from '#core/reason';
import { hostileConversations, NAME } from '#test/unit/relay/hostile-requests';
import { ask, offerOf, PASSWORD, startOffering, WAIT } from '#test/unit/relay/scene';
import { randomLayer, stubImage, toBlob } from '#test/unit/relay/stub-image';

/** In every blob and manifest that nobody offers. */
const MARK = 'this is not on offer';

/** One image on offer, beside it one that is not, and a registry whose errors tell its password. */
async function start() {
  const image = stubImage({ layers: [randomLayer(3000)] });
  const scene = await startOffering(image);
  const layer = toBlob(Buffer.from(MARK), MARK);
  const hidden = stubImage({ layers: [layer], platform: `linux/${MARK}` });
  scene.upstream.put('group/app', hidden, 'hidden');
  scene.upstream.put('group/hidden', hidden, '1');
  await ask(scene.port, `${scene.path}/manifests/1`);
  const digests = [image.root.digest, ...image.blobs.map(({ digest }) => digest)];
  const hiddenDigests = [hidden.root.digest, ...hidden.blobs.map(({ digest }) => digest)];
  return { ...scene, image, digests, hiddenDigests };
}

/** Sends bytes, ends, and reads all that comes back until the other side closes. */
async function send(port: number, pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.setTimeout(20_000, () => socket.destroy(new Error('the connection stays open')));
  let answer = '';
  let failure: Error | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') failure = error;
  });
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  for (const piece of pieces) socket.write(piece);
  socket.end();
  await once(socket, 'close').catch(() => undefined);
  if (failure !== undefined) throw failure;
  return answer;
}

const statusesOf = (answer: string): readonly number[] =>
  Array.from(answer.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status));

/** What chance alone may not come to. */
const rangeOf = ({ blobs: [blob] }: Awaited<ReturnType<typeof start>>['image']): string =>
  `GET /v2/${NAME}/blobs/${blob?.digest} HTTP/1.1\r\nHost: relay\r\nRange: bytes=10-20\r\nConnection: close\r\n\r\n`;

it('whatever is sent, nothing comes back but what is offered, and the next client is served', async () => {
  const { relay, port, image, digests, hiddenDigests, lines, upstream } = await start();
  const conversation = hostileConversations({
    offered: [
      'manifests/1',
      `manifests/${image.root.digest}`,
      ...image.blobs.map(({ digest }) => `blobs/${digest}`),
    ],
    others: ['hidden', ...hiddenDigests],
  });
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(conversation, fc.boolean(), async (pieces, isFailing) => {
      const offer = offerOf(relay, image);
      const fill = (piece: string | Uint8Array): string | Uint8Array =>
        typeof piece === 'string' ? piece.replaceAll(NAME, offer.reference.repository) : piece;
      upstream.failure = isFailing
        ? new AgentError(
            'Unauthorized',
            `Authorization: Basic ${btoa(`edge-device:${PASSWORD}`)} ${PASSWORD}`,
          )
        : undefined;
      const answer = await send(port, pieces.map(fill));
      offer.end();
      expect(answer).not.toContain(MARK);
      expect(answer).not.toContain(PASSWORD);
      expect(answer.toLowerCase()).not.toContain('authorization');
      for (const status of statusesOf(answer)) seen.add(status);
      expect((await ask(port, '/v2/')).status).toBe(200);
    }),
    { numRuns: 600, examples: [[[rangeOf(image)], false]] },
  );
  // What it is all about was among it.
  expect(seen).toEqual(new Set([...seen, 200, 206, 400, 404, 405]));
  expect([...seen].filter((status) => status >= 500)).toEqual([]);
  expect(lines.filter((line) => line.includes('could not be made'))).toEqual([]);
  const allowed = new Set(digests);
  const others = upstream.asked.filter((line) => !line.split(' ').some((word) => allowed.has(word)));
  expect(others).toEqual([]);
});

it('what lies beside the offered image in its repository is not served to whoever knows its digest', async () => {
  const { port, path, hiddenDigests, upstream, offer } = await start();
  const asked = upstream.asked.length;
  for (const what of ['hidden', ...hiddenDigests]) {
    for (const kind of ['manifests', 'blobs']) {
      expect((await ask(port, `${path}/${kind}/${what}`)).status).toBe(404);
    }
  }
  expect([upstream.asked.length, offer.failure]).toEqual([asked, undefined]);
});

it('answers a TLS hello in plain HTTP, as an engine that tries HTTPS first wants it', async () => {
  const { port } = await start();
  const hello = connectTls({ port, host: '127.0.0.1' });
  const [error] = (await once(hello, 'error')) as [NodeJS.ErrnoException];
  expect(String(error)).toMatch(/wrong version number|packet length too long/);
  const raw = Buffer.from('16030100c8010000c40303', 'hex');
  expect(await send(port, [raw, Buffer.alloc(200)])).toMatch(/^HTTP\/1\.1 400 /);
});

it('pipelined requests are answered in their order, and too many at once end the connection', async () => {
  const { port, path, digests } = await start();
  const get = (what: string): string => `GET ${what} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const answer = await send(port, [
    get('/v2/') + get(`${path}/blobs/${digests[2]}`) + get('/nothing') + get('/v2/'),
  ]);
  expect(statusesOf(answer)).toEqual([200, 200, 404, 200]);
  const flood = await send(port, [get(`${path}/blobs/${digests[2]}`).repeat(5000)]);
  expect(statusesOf(flood).length).toBeLessThan(100);
  expect((await ask(port, '/v2/')).status).toBe(200);
});

it('what follows a body that nobody asked for is not taken for a request', async () => {
  const { port, path } = await start();
  const smuggled = `GET ${path}/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n`;
  const first = `GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n`;
  expect(statusesOf(await send(port, [first, smuggled, smuggled]))).toEqual([200]);
  const both =
    'GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  expect(statusesOf(await send(port, [both, smuggled]))).toEqual([400]);
});

it('who sends nothing, or a header a byte at a time, is cut off within seconds', async () => {
  const { port } = await start();
  const silent = connect(port, '127.0.0.1');
  const slow = connect(port, '127.0.0.1');
  slow.write('GET /v2/ HTTP/1.1\r\nX: ');
  const drip = setInterval(() => slow.write('x'), 100);
  onTestFinished(() => clearInterval(drip));
  const closed = [silent, slow].map((socket) => {
    socket.on('error', () => undefined).resume();
    return once(socket, 'close').catch(() => undefined);
  });
  await Promise.all(closed);
  expect([silent, slow].map(({ destroyed }) => destroyed)).toEqual([true, true]);
});

it('a client that stays away in mid-answer costs one connection and nothing else', async () => {
  const { port, path, digests, blobs } = await start();
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`GET ${path}/blobs/${digests[2]} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'readable')));
  for (const socket of sockets) socket.resetAndDestroy();
  await expect.poll(() => blobs.readers, WAIT).toBe(0);
  expect((await ask(port, '/v2/')).status).toBe(200);
});
