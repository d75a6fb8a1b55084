import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { createTokenBucket } from '#relay/token-bucket';
import { makeBlobs, makeFolder, makeUpstream, NEVER, openKept } from '#test/unit/relay/bench';

const PIECE = Buffer.alloc(65_536, 'piece');
const SIZE = 200 * 1024 * 1024;

/** A registry of one large blob that costs no memory. Counts what it could send. */
async function startLargeSite(): Promise<{ address: string; digest: string; sentBytes: () => number }> {
  const hash = createHash('sha256');
  for (let at = 0; at < SIZE; at += PIECE.length) hash.update(PIECE);
  let sentBytes = 0;
  const server = createServer((_, response) => {
    let restBytes = SIZE;
    const send = (): void => {
      while (restBytes > 0) {
        restBytes -= PIECE.length;
        sentBytes += PIECE.length;
        if (!response.write(PIECE)) return void response.once('drain', send);
      }
      response.end();
    };
    response.writeHead(200, { 'content-length': SIZE });
    send();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await expect.poll(() => server.listening).toBe(true);
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, digest: `sha256:${hash.digest('hex')}`, sentBytes: () => sentBytes };
}

test.each(['with', 'without'])('a blob of 200 MB costs a few MB of memory %s a folder', async (way) => {
  const { address, digest } = await startLargeSite();
  const blobs = makeBlobs(way === 'with' ? { kept: await openKept(await makeFolder()) } : {});
  const source = { upstream: makeUpstream(address), repository: 'app' };
  const read = { digest, sizeBytes: SIZE, fromByte: 0, source, stallTimeoutMs: 60_000, signal: NEVER };
  globalThis.gc?.();
  const before = process.memoryUsage();
  let readBytes = 0;
  let heapBytes = 0;
  let bufferBytes = 0;
  for await (const piece of blobs.read(read)) {
    readBytes += piece.length;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    heapBytes = Math.max(heapBytes, heapUsed - before.heapUsed);
    bufferBytes = Math.max(bufferBytes, arrayBuffers - before.arrayBuffers);
  }
  expect(readBytes).toBe(SIZE);
  // Garbage that is not collected yet is in it; the blob itself would be 200.
  expect(heapBytes).toBeLessThan(16_000_000);
  expect(bufferBytes).toBeLessThan(100_000_000);
});

test.each(['with', 'without'])(
  'a reader that stands still holds the registry back %s a folder',
  async (way) => {
    const { address, digest, sentBytes } = await startLargeSite();
    const blobs = makeBlobs(way === 'with' ? { kept: await openKept(await makeFolder()) } : {});
    const source = { upstream: makeUpstream(address), repository: 'app' };
    const read = { digest, sizeBytes: SIZE, fromByte: 0, source, stallTimeoutMs: 60_000, signal: NEVER };
    for await (const piece of blobs.read(read)) {
      expect(piece.length).toBeGreaterThan(0);
      let before = -1;
      // Until the system's own buffers are full.
      while (before !== sentBytes()) {
        before = sentBytes();
        await delay(300);
      }
      break;
    }
    expect(sentBytes()).toBeLessThan(30_000_000);
  },
);

test('tokens that have ended are not held, however many repositories there are', async () => {
  let given = 0;
  // The tokens are as long as it takes to see whether they are held, and they are headers.
  const server = createServer(
    { maxHeaderSize: 100_000 },
    ({ url = '', headers: { host, authorization } }, response) => {
      if (url.startsWith('/token')) {
        const token = `${(given += 1)}`.padEnd(60_000, 'x');
        response.end(JSON.stringify({ access_token: token, expires_in: 300 }));
      } else if (authorization === undefined) {
        response
          .writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="s"` })
          .end();
      } else {
        response.writeHead(200, {
          'content-type': 'application/vnd.oci.image.manifest.v1+json',
          'content-length': 500,
          'docker-content-digest': `sha256:${'0'.repeat(64)}`,
        });
        response.end();
      }
    },
  );
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await expect.poll(() => server.listening).toBe(true);
  const { port } = server.address() as AddressInfo;
  let aheadMs = 0;
  const clock = { ...systemClock, steadyMs: () => systemClock.steadyMs() + aheadMs };
  const upstream = makeUpstream(`127.0.0.1:${port}`, { clock });
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const sizes: number[] = [];
  for (let month = 0; month < 3; month += 1) {
    for (let count = 0; count < 100; count += 1) {
      await upstream.headManifest(`group/app-${month}-${count}`, '1', NEVER);
    }
    gc();
    sizes.push(process.memoryUsage().heapUsed);
    aheadMs += 30 * 86_400_000;
  }
  expect(given).toBe(300);
  const [first = 0, , last = 0] = sizes;
  expect(last - first).toBeLessThan(3_000_000);
});

test('a limit of 20 MB a second is held within a tenth', async () => {
  const { address, digest } = await startLargeSite();
  const bucket = createTokenBucket(systemClock);
  bucket.setRate(20_000_000);
  const source = { upstream: makeUpstream(address), repository: 'app' };
  const read = { digest, sizeBytes: SIZE, fromByte: 0, source, stallTimeoutMs: 60_000, signal: NEVER };
  const startMs = performance.now();
  let readBytes = 0;
  for await (const piece of makeBlobs({ bucket, clock: systemClock }).read(read)) {
    readBytes += piece.length;
    if (readBytes > 40_000_000) break;
  }
  const seconds = (performance.now() - startMs) / 1000;
  expect(readBytes / seconds).toBeLessThan(22_000_000);
  // A machine that has others to serve is late.
  expect(readBytes / seconds).toBeGreaterThan(10_000_000);
});
