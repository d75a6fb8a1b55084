import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from '#lab/engine/engine';
import { startEngine } from '#lab/engine/engine';
import { syntheticImage } from '#lab/images/image';
import { ensurePrerequisites } from '#lab/prerequisites';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { RegistryFaults } from '#lab/registry/faults';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';

let dir = '';
let engine: Engine;
let registry: Registry;
const image = await syntheticImage({ layers: [{ sizeBytes: 600_000, seed: 'layer' }] });
const layer = { digest: image.layers[0]?.digest ?? '', sizeBytes: image.layers[0]?.sizeBytes ?? 0 };

beforeAll(async () => {
  await ensurePrerequisites();
  dir = await mkdtemp(join(tmpdir(), 'lab-faults-'));
  [engine, registry] = await Promise.all([
    startEngine({ dir: join(dir, 'engine') }),
    startRegistry({ dir: join(dir, 'registry'), auth: 'none' }),
  ]);
  await registry.push(image, 'app', '1');
});
afterAll(async () => {
  await Promise.all([engine.stop(), registry.close()]);
  await rm(dir, { recursive: true });
});
beforeEach(() => {
  Object.assign(registry.faults, NO_REGISTRY_FAULTS);
});
afterEach(() => engine.removeAllImages());

const fetchLayer = (init?: RequestInit) => fetch(`${registry.url}/v2/app/blobs/${layer.digest}`, init);
const fetchManifest = (init?: RequestInit) => fetch(`${registry.url}/v2/app/manifests/1`, init);

async function timeMs(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}

describe('what an engine says when', () => {
  it.each<[string, Partial<RegistryFaults>, RegExp]>([
    [
      'the gateway has no registry',
      { manifestStatus: 502 },
      /received unexpected HTTP status: 502 Bad Gateway$/,
    ],
    [
      'it asks too often',
      { manifestStatus: 429, retryAfterSeconds: 3 },
      /toomanyrequests: too many requests$/,
    ],
    [
      'something else listens there',
      { html: true },
      /error parsing HTTP 404 response body: invalid character '<'/,
    ],
    ['a layer is missing', { missingBlob: 'any' }, /unknown blob/],
    ['a configuration is corrupt', { corruptBlob: 'any' }, /verification failed for digest/],
  ])('%s', async (_, faults, words) => {
    Object.assign(registry.faults, faults);

    const outcome = await engine.pull(`${registry.address}/app:1`);

    expect(outcome.error).toMatch(words);
  });

  it('the registry is away, and that it works once it is back at the same address', async () => {
    await registry.stop();
    const away = await engine.pull(`${registry.address}/app:1`);
    await registry.start();
    const back = await engine.pull(`${registry.address}/app:1`);

    expect(away.error).toMatch(/connect: connection refused$/);
    expect(back.error).toBeUndefined();
  });
});

describe('statuses', () => {
  it('are those asked for, with Retry-After', async () => {
    Object.assign(registry.faults, {
      pingStatus: 503,
      blobStatus: 429,
      tokenStatus: 500,
      retryAfterSeconds: 7,
    });

    const ping = await fetch(`${registry.url}/v2/`);
    const blob = await fetchLayer();
    const token = await fetch(`${registry.url}/acr/oauth2/token`);
    const manifest = await fetchManifest();

    expect([ping.status, blob.status, token.status, manifest.status]).toEqual([503, 429, 500, 200]);
    expect(blob.headers.get('retry-after')).toBe('7');
    expect(ping.headers.get('content-type')).toBe('text/html');
    expect(await blob.json()).toMatchObject({ errors: [{ code: 'TOOMANYREQUESTS' }] });
    expect(registry.requests.at(-2)).toMatchObject({ path: '/acr/oauth2/token', status: 500 });
  });
});

describe('bandwidth', () => {
  it('is limited for each connection', async () => {
    registry.faults.bytesPerSecond = 1_000_000;

    const tookMs = await timeMs(() =>
      Promise.all([fetchLayer(), fetchLayer()].map(async (r) => (await r).bytes())),
    );

    expect(tookMs).toBeGreaterThan(500);
  });

  it('is limited for all connections together', async () => {
    registry.faults.totalBytesPerSecond = 1_000_000;

    const tookMs = await timeMs(() =>
      Promise.all([fetchLayer(), fetchLayer()].map(async (r) => (await r).bytes())),
    );

    expect(tookMs).toBeGreaterThan(1100);
  });

  it('waits for the latency asked for', async () => {
    registry.faults.latencyMs = 150;

    expect(await timeMs(() => fetchManifest())).toBeGreaterThan(149);
  });
});

describe('a blob', () => {
  it('breaks off after so many bytes, and goes on from there by range', async () => {
    registry.faults.cutBlobAfterBytes = 200_000;
    const first = await receive(await fetchLayer());
    registry.faults.cutBlobAfterBytes = undefined;
    const rest = await receive(await fetchLayer({ headers: { range: 'bytes=200000-' } }));

    expect(first).toMatchObject({ status: 200, isWhole: false });
    expect(first.bytes.length).toBe(200_000);
    expect(rest).toMatchObject({ status: 206, isWhole: true });
    const whole = createHash('sha256').update(first.bytes).update(rest.bytes).digest('hex');
    expect(`sha256:${whole}`).toBe(layer.digest);
    expect(registry.requests.at(-1)).toMatchObject({
      status: 206,
      range: 'bytes=200000-',
      bytes: layer.sizeBytes - 200_000,
    });
  });

  it('comes whole to a range when ranges are ignored', async () => {
    registry.faults.ignoreRange = true;

    const { status, bytes } = await receive(await fetchLayer({ headers: { range: 'bytes=200000-' } }));

    expect([status, bytes.length]).toEqual([200, layer.sizeBytes]);
  });

  it('is corrupt when it is the one chosen', async () => {
    registry.faults.corruptBlob = image.config.digest as `sha256:${string}`;
    const sound = await receive(await fetchLayer());
    registry.faults.corruptBlob = layer.digest as `sha256:${string}`;
    const corrupt = await receive(await fetchLayer());

    expect(corrupt.bytes.length).toBe(sound.bytes.length);
    expect(corrupt.bytes.equals(sound.bytes)).toBe(false);
    expect(corrupt.bytes.subarray(1).equals(sound.bytes.subarray(1))).toBe(true);
  });
});

describe('a silent registry', () => {
  it('answers nobody until it is healed, and then everybody', async () => {
    registry.faults.hang = true;
    const before = registry.requests.length;
    let isAnswered = false;
    const answer = fetchManifest().finally(() => (isAnswered = true));
    await vi.waitFor(() => expect(registry.requests.length).toBe(before + 1));
    await expect(fetchManifest({ signal: AbortSignal.timeout(300) })).rejects.toThrow('timeout');
    expect(isAnswered).toBe(false);

    registry.faults.hang = false;

    expect((await answer).status).toBe(200);
  });

  it('stops in the middle of a body', async () => {
    registry.faults.bytesPerSecond = 400_000;
    const record = registry.requests.length;
    const body = fetchLayer().then((response) => response.bytes());
    await vi.waitFor(() => expect(registry.requests[record]?.bytes).toBeGreaterThan(50_000));

    registry.faults.hang = true;
    const stuckAt = await settle(() => registry.requests[record]?.bytes);
    Object.assign(registry.faults, NO_REGISTRY_FAULTS);

    expect(stuckAt).toBeLessThan(layer.sizeBytes);
    expect((await body).length).toBe(layer.sizeBytes);
  });

  it('may be silent about tokens alone', async () => {
    registry.faults.tokenHangs = true;

    await expect(
      fetch(`${registry.url}/acr/oauth2/token`, { signal: AbortSignal.timeout(300) }),
    ).rejects.toThrow('timeout');
    expect((await fetchManifest()).status).toBe(200);
  });
});

/** What arrived of a body, whether or not all did. */
async function receive(response: Response): Promise<{ status: number; bytes: Buffer; isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let isWhole = true;
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk as Uint8Array);
  } catch {
    isWhole = false;
  }
  return { status: response.status, bytes: Buffer.concat(chunks), isWhole };
}

/** A value once it has been the same for 300 ms. */
async function settle<T>(read: () => T): Promise<T> {
  let last = read();
  await vi.waitFor(
    async () => {
      const previous = last;
      await new Promise((resolve) => setTimeout(resolve, 300));
      last = read();
      expect(last).toBe(previous);
    },
    { timeout: 10_000 },
  );
  return last;
}
