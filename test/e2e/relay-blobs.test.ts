import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { Secret } from '#core/secret';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import type { Certificate } from '#lab/certificates';
import type { PlatformImage } from '#lab/images/image';
import { ensurePrerequisites } from '#lab/prerequisites';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';
import { createBlobs } from '#relay/blobs';
import type { Blobs, BlobRead } from '#relay/blobs';
import { openKeptBytes } from '#relay/kept-bytes';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import type { Upstream } from '#relay/upstream';
import { makeImage } from './scene.ts';

const PASSWORD = 'right?>password~';
const MIB = 1024 * 1024;
const NEVER = new AbortController().signal;
const ignore = (): void => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

let dir = '';
let authority: Certificate;
let plain: Registry;
let secure: Registry;
let image: PlatformImage;

beforeAll(async () => {
  await ensurePrerequisites();
  dir = await mkdtemp(join(tmpdir(), 'relay-blobs-'));
  authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  const tls = await issueServerCertificate({
    dir,
    authority,
    commonName: 'registry',
    ipAddresses: ['127.0.0.1'],
  });
  plain = await startRegistry({ dir: join(dir, 'plain') });
  secure = await startRegistry({ dir: join(dir, 'secure'), tls });
  image = await makeImage(['relay'], 10 * MIB);
  for (const registry of [plain, secure]) {
    registry.scopeMaps.set('readers', ['repositories/app/content/read']);
    registry.tokens.set('device', {
      status: 'enabled',
      scopeMap: 'readers',
      passwords: { password1: { value: PASSWORD } },
    });
    await registry.push(image, 'app', '1');
    await registry.push(image, 'secret', '1');
  }
});
afterEach(() => {
  for (const registry of [plain, secure]) {
    Object.assign(registry.faults, NO_REGISTRY_FAULTS);
    Object.assign(registry, { denialStyle: 'insufficient-scopes', tokenLifetimeMs: 3_600_000 });
  }
});
afterAll(async () => {
  await Promise.all([plain.close(), secure.close()]);
  await rm(dir, { recursive: true });
});

function toUpstream(registry: Registry, password = PASSWORD, ca?: string): Upstream {
  const credential = { name: 'password', username: 'device', password: new Secret(password) } as const;
  return createUpstream({
    access: { address: registry.address, credential, ca },
    httpsAddresses: new Set(),
    clock: systemClock,
  });
}

function toRead(registry: Registry, upstream = toUpstream(registry)): BlobRead {
  const layer = image.layers.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0];
  if (layer === undefined) throw new Error('the image has no layer');
  return {
    digest: layer.digest,
    sizeBytes: layer.sizeBytes,
    fromByte: 0,
    source: { upstream, repository: 'app' },
    stallTimeoutMs: 60_000,
    signal: NEVER,
  };
}

const toBlobs = async (folder?: string): Promise<Blobs> =>
  createBlobs({
    bucket: createTokenBucket(systemClock),
    clock: systemClock,
    log,
    kept:
      folder === undefined
        ? undefined
        : await openKeptBytes({ folder, minFreeBytes: () => 0, clock: systemClock }),
  });

async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of bytes) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

async function reasonOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => 'none',
    (error: { reason?: string }) => error.reason,
  );
}

/** Of blobs, since the last question. */
function countServed(registry: Registry): () => number {
  const before = registry.bytesServed(/blobs/);
  return () => registry.bytesServed(/blobs/) - before;
}

describe('the relay’s way to a real registry', () => {
  test('logs in, and reads what the tag names', async () => {
    for (const [registry, ca] of [[plain], [secure, authority.certificatePem]] as const) {
      const upstream = toUpstream(registry, PASSWORD, ca);
      await upstream.login(NEVER);
      expect(upstream.isPlainHttp).toBe(registry === plain);
      const { digest, mediaType, bytes } = await upstream.fetchManifest('app', '1', NEVER);
      expect([digest, mediaType]).toEqual([image.manifest.digest, image.manifest.mediaType]);
      expect(await upstream.headManifest('app', '1', NEVER)).toEqual({
        digest,
        mediaType,
        sizeBytes: bytes.length,
      });
      const read = toRead(registry, upstream);
      expect(await digestOf((await toBlobs()).read(read))).toBe(read.digest);
    }
  });

  test('tells what is wrong as the engine would', async () => {
    expect(await reasonOf(toUpstream(plain, 'wrong').login(NEVER))).toBe('Unauthorized');
    expect(await reasonOf(toUpstream(secure).login(NEVER))).toBe('RegistryUntrusted');
    const upstream = toUpstream(plain);
    expect(await reasonOf(upstream.fetchManifest('app', '2', NEVER))).toBe('NotFound');
    for (const denialStyle of ['insufficient-scopes', 'challenge'] as const) {
      plain.denialStyle = denialStyle;
      expect(await reasonOf(upstream.fetchManifest('secret', '1', NEVER))).toBe('AccessDenied');
    }
  });

  test('has a blob at every tenth cut, and fetches no byte twice', async () => {
    const read = toRead(plain);
    plain.faults.cutBlobAfterBytes = Math.ceil(read.sizeBytes / 10);
    const served = countServed(plain);
    const blobs = await toBlobs();
    expect(await digestOf(blobs.read(read))).toBe(read.digest);
    // The refusals before a token are in it.
    expect(served() - read.sizeBytes).toBeLessThan(1000);
  });

  test('has a blob over a reset link that knows no Range', async () => {
    const read = toRead(plain);
    const cuts = new Map([[read.digest, read.sizeBytes - 1000]]);
    Object.assign(plain.faults, { cutBlobAfterBytes: cuts, ignoreRange: true });
    const onFetched = (): void => {
      if (plain.requests.some(({ bytes }) => bytes >= read.sizeBytes - 1000)) cuts.clear();
    };
    expect(await digestOf((await toBlobs()).read({ ...read, onFetched }))).toBe(read.digest);
  });

  test('renews a token that ends in the middle of a blob', async () => {
    const read = toRead(plain);
    // The registry forgives 60 s.
    plain.tokenLifetimeMs = -59_000;
    const halfBytes = Math.ceil(read.sizeBytes / 2);
    Object.assign(plain.faults, { cutBlobAfterBytes: halfBytes, bytesPerSecond: Math.ceil(halfBytes / 2) });
    const tokens = plain.tokenRequests.length;
    const served = countServed(plain);
    expect(await digestOf((await toBlobs()).read(read))).toBe(read.digest);
    expect(plain.tokenRequests.length - tokens).toBeGreaterThanOrEqual(2);
    expect(served()).toBeLessThanOrEqual(read.sizeBytes * 1.02);
  });

  test('refuses a blob with a wrong byte, and has it when it is right', async () => {
    const read = toRead(plain);
    const blobs = await toBlobs(join(dir, 'wrong'));
    plain.faults.corruptBlob = 'any';
    expect(await reasonOf(digestOf(blobs.read(read)))).toBe('Corrupt');
    plain.faults.corruptBlob = undefined;
    expect(await digestOf(blobs.read(read))).toBe(read.digest);
    plain.faults.missingBlob = 'any';
    expect(await reasonOf(digestOf((await toBlobs()).read(read)))).toBe('Corrupt');
  });

  test('goes on in another process where it stopped', async () => {
    const read = toRead(plain);
    const folder = join(dir, 'kept');
    const served = countServed(plain);
    const first = await toBlobs(folder);
    let bytes = 0;
    for await (const piece of first.read(read)) {
      bytes += piece.length;
      if (bytes > read.sizeBytes / 2) break;
    }
    await expect.poll(() => first.keptBytes(read.digest)).toBeGreaterThan(0);
    const onDisk = first.keptBytes(read.digest);
    const before = served();
    let fetchedBytes = 0;
    const onFetched = (more: number): void => void (fetchedBytes += more);
    expect(await digestOf((await toBlobs(folder)).read({ ...read, onFetched }))).toBe(read.digest);
    expect(fetchedBytes).toBe(read.sizeBytes - onDisk);
    expect(before).toBeGreaterThanOrEqual(onDisk);
  });
});
