import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import type { Offer, Relay } from '#agent/relay-port';
import { parsePlatform } from '#core/platform';
import type { FailureReason } from '#core/reason';
import { formatReference } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
import { Secret } from '#core/secret';
import type { Engine } from '#lab/engine/engine';
import { findFreePort } from '#lab/free-port';
import { listBlobs, multiPlatformImage, syntheticImage } from '#lab/images/image';
import type { ImageFormat, MultiPlatformImage, PlatformImage, SyntheticImage } from '#lab/images/image';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';
import { createBlobs } from '#relay/blobs';
import { createRelay } from '#relay/relay';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import { startTestEngine } from '#test/engine-under-test';

const run = promisify(execFile);
const USERNAME = 'edge-device';
const PASSWORD = 'first-secret?>~';
const BLOBS = /\/blobs\//;
const { signal } = new AbortController();

let dir = '';
let engine: Engine;
let registry: Registry;
let access: RegistryAccess;
let relay: Relay;
const ending = new AbortController();
let ended: Promise<void> = Promise.resolve();

/** What the relay logs: nothing secret. */
const lines: string[] = [];
const take = (fields: object, message: string): void => {
  lines.push(`${message} ${JSON.stringify(fields)}`);
};
const log = { debug: take, info: take, warn: take, error: take };

beforeAll(async () => {
  await ensurePrerequisites();
  await ensurePrerequisites({ skopeo: 'skopeo', podman: 'podman' });
  dir = await mkdtemp(join(tmpdir(), 'relay-clients-'));
  [engine, registry] = await Promise.all([
    startTestEngine({ dir: join(await mkdtemp(join(dir, 'engine-'))) }),
    startRegistry({ dir: join(dir, 'registry') }),
  ]);
  registry.scopeMaps.set('readers', ['repositories/group/app/content/read']);
  registry.tokens.set(USERNAME, {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: PASSWORD } },
  });
  const credential = { name: 'password', username: USERNAME, password: new Secret(PASSWORD) } as const;
  access = { address: registry.address, credential };
  const httpsAddresses = new Set<string>();
  const bucket = createTokenBucket(systemClock);
  relay = createRelay({
    port: await findFreePort(),
    openUpstream: (opened) => createUpstream({ access: opened, httpsAddresses, clock: systemClock }),
    isKeeping: false,
    blobs: createBlobs({ bucket, clock: systemClock, log }),
    bucket,
    clock: systemClock,
    log,
  });
  ended = relay.run(ending.signal);
  await vi.waitFor(
    () => {
      if (relay.standing.kind !== 'serving') throw new Error(relay.standing.why);
    },
    { timeout: 30_000 },
  );
});

afterAll(async () => {
  ending.abort();
  await Promise.all([ended, engine.stop(), registry.close()]);
  await rm(dir, { recursive: true });
});

beforeEach(() => engine.removeAllImages());

let made = 0;

/** An image that nobody has seen yet, with two layers of 2 MB. */
function makeImage(format: ImageFormat = 'docker', platform = 'linux/amd64'): Promise<PlatformImage> {
  made += 1;
  const layers = [1, 2].map((layer) => ({ sizeBytes: 2_000_000, seed: `relay ${made} ${layer}` }));
  return syntheticImage({ layers, format, platform });
}

async function makeIndex(format: ImageFormat): Promise<MultiPlatformImage> {
  return multiPlatformImage([
    await makeImage(format, 'linux/s390x'),
    await makeImage(format, 'linux/amd64'),
    await makeImage(format, 'linux/arm64/v8'),
  ]);
}

/** Pushes an image and offers it, as the agent does: its content is looked at before. */
async function offer(
  image: SyntheticImage,
  stallTimeoutMs = 60_000,
): Promise<Offer & { fetchedBytes: () => number }> {
  const tag = `t${made}`;
  await registry.push(image, 'group/app', tag);
  const reference = { registry: registry.address, repository: 'group/app', tag };
  const platform = parsePlatform('linux/amd64') ?? { os: 'linux', architecture: 'amd64' };
  const content = await relay.fetchContent({ reference, access, platform, wanted: undefined, signal });
  expect(content.digest).toBe(image.manifest.digest);
  let fetched = 0;
  const offered = relay.offer({
    reference,
    digest: content.digest,
    access,
    stallTimeoutMs,
    onFetched: (bytes) => (fetched += bytes),
  });
  onTestFinished(() => offered.end());
  return Object.assign(Object.create(offered) as Offer, { fetchedBytes: () => fetched });
}

const sizeOf = (image: SyntheticImage): number =>
  listBlobs(image).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

const layerBytesServed = (image: PlatformImage): number =>
  registry.bytesServed(new RegExp(image.layers.map(({ digest }) => digest).join('|')));

/** The image of an index that this machine's engines take. */
const amd64Of = (index: MultiPlatformImage): PlatformImage =>
  index.images.find(({ platform }) => platform === 'linux/amd64') ?? expect.fail('no such image');

it.each(['docker', 'oci'] as const)(
  'the engine pulls a %s image, and then has it under its real name without a byte more',
  async (format) => {
    const image = await makeImage(format);
    const offered = await offer(image);
    const before = registry.bytesServed(BLOBS);
    expect((await engine.pull(formatReference(offered.reference))).error).toBeUndefined();
    const layers = image.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    // The image configuration was read before.
    expect(registry.bytesServed(BLOBS) - before).toBe(layers);
    expect(layerBytesServed(image)).toBe(layers);
    expect([offered.wasAsked, offered.failure, offered.fetchedBytes()]).toEqual([true, undefined, layers]);

    const real = `${registry.address}/group/app@${image.manifest.digest}`;
    const credentials = { username: USERNAME, password: PASSWORD };
    expect((await engine.pull(real, { credentials })).error).toBeUndefined();
    // Podman reads the image configuration anew.
    expect(layerBytesServed(image) - layers).toBe(0);
    // Docker 28.5 with the containerd store lists one of the two names at a time.
    await engine.remove(formatReference(offered.reference));
    expect((await engine.images()).flatMap(({ digests }) => digests)).toEqual([real]);
  },
);

it.each(['docker', 'oci'] as const)('the engine pulls its own platform of a %s index', async (format) => {
  const index = await makeIndex(format);
  const offered = await offer(index);
  const before = registry.bytesServed(BLOBS);
  const name = formatReference(offered.reference);
  expect((await engine.pull(name)).error).toBeUndefined();
  expect(registry.bytesServed(BLOBS) - before).toBeLessThanOrEqual(sizeOf(amd64Of(index)));
  expect(await engine.inspect(name)).toMatchObject({ os: 'linux', architecture: 'amd64' });
});

it('a link that breaks every 300 kB costs the engine nothing, and no byte comes twice', async () => {
  const image = await makeImage();
  const offered = await offer(image);
  registry.faults.cutBlobAfterBytes = 300_000;
  onTestFinished(() => void (registry.faults.cutBlobAfterBytes = undefined));
  const before = registry.bytesServed(BLOBS);
  expect((await engine.pull(formatReference(offered.reference))).error).toBeUndefined();
  expect(registry.bytesServed(BLOBS) - before).toBeLessThan(1.02 * sizeOf(image));
  expect(offered.failure).toBeUndefined();
});

it.each<[string, Partial<Registry['faults']>, FailureReason]>([
  ['a blob that is missing', { missingBlob: 'any' }, 'Corrupt'],
  ['a registry that denies', { blobStatus: 403 }, 'AccessDenied'],
])(
  '%s ends the engine’s pull within seconds, and the offer knows the true cause',
  async (_, fault, reason) => {
    const offered = await offer(await makeImage());
    const faults = { ...registry.faults };
    Object.assign(registry.faults, fault);
    onTestFinished(() => void Object.assign(registry.faults, faults));
    const beganMs = performance.now();
    expect((await engine.pull(formatReference(offered.reference))).error).toBeDefined();
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(offered.failure).toMatchObject({ reason });
  },
);

it('a damaged blob never becomes an image, though a classic engine tries for 15 s', async () => {
  const image = await makeImage();
  const offered = await offer(image, 3000);
  registry.faults.corruptBlob = 'any';
  onTestFinished(() => void (registry.faults.corruptBlob = undefined));
  expect((await engine.pull(formatReference(offered.reference))).error).toBeDefined();
  expect(offered.failure).toMatchObject({ reason: 'Corrupt' });
  expect(await engine.images()).toEqual([]);
});

it('an engine that is given a probe asks for it, and gets nothing', async () => {
  const probe = relay.offerProbe();
  expect((await engine.pull(formatReference(probe.reference))).error).toBeDefined();
  expect(probe.wasAsked).toBe(true);
  probe.end();
});

it.each(['docker', 'oci'] as const)(
  'skopeo copies a %s image by digest and by tag, byte for byte',
  async (format) => {
    const image = await makeImage(format);
    const { reference } = await offer(image);
    const name = `docker://${reference.registry}/${reference.repository}`;
    for (const from of [`${name}@${reference.digest}`, `${name}:t${made}`]) {
      const to = await mkdtemp(join(dir, 'copy-'));
      await run('skopeo', ['copy', '--src-tls-verify=false', from, `dir:${to}`]);
      expect(`sha256:${await hashOf(join(to, 'manifest.json'))}`).toBe(image.manifest.digest);
      for (const { digest } of listBlobs(image)) {
        const hex = digest.replace('sha256:', '');
        expect(await hashOf(join(to, hex))).toBe(hex);
      }
    }
  },
);

it('skopeo copies all of an index', async () => {
  const index = await makeIndex('oci');
  const { reference } = await offer(index);
  const to = await mkdtemp(join(dir, 'copy-'));
  const from = `docker://${formatReference(reference)}`;
  await run('skopeo', ['copy', '--all', '--src-tls-verify=false', from, `dir:${to}`]);
  for (const { digest } of listBlobs(index)) {
    const hex = digest.replace('sha256:', '');
    expect(await hashOf(join(to, hex))).toBe(hex);
  }
});

it.each(['docker', 'oci'] as const)(
  'podman pulls a %s image and its own platform of an index',
  async (format) => {
    const root = await mkdtemp(join(dir, 'podman-'));
    // Podman takes no longer path for it than 50 characters.
    const runRoot = await mkdtemp('/tmp/podman-');
    const podman = (...args: readonly string[]) =>
      run('podman', ['--root', join(root, 'root'), '--runroot', runRoot, '--storage-driver', 'vfs', ...args]);
    for (const image of [await makeImage(format), await makeIndex(format)]) {
      const offered = await offer(image);
      const name = formatReference(offered.reference);
      await podman('pull', '--tls-verify=false', name);
      const { stdout } = await podman('image', 'inspect', '--format', '{{.Os}}/{{.Architecture}}', name);
      expect(stdout.trim()).toBe('linux/amd64');
      expect(offered.failure).toBeUndefined();
    }
  },
);

it('no password is in what was logged', () => {
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join('\n')).not.toContain(PASSWORD);
});

const hashOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
