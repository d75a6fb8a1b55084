import { expect, it } from 'vitest';
import type { ContentQuestion, ImageContent } from '#agent/relay-port';
import { parsePlatform } from '#core/platform';
import { AgentError } from '#core/reason';
import { Secret } from '#core/secret';
import { PASSWORD, startRelay, toAccess } from '#test/unit/relay/scene';
import {
  randomLayer,
  stubImage,
  stubIndex,
  toBlob,
  toDescriptor,
  toDiffId,
  TYPES,
} from '#test/unit/relay/stub-image';
import type { StubImage } from '#test/unit/relay/stub-image';
import { createStubUpstream } from '#test/unit/relay/stub-upstream';

const REFERENCE = { registry: 'plant:5000', repository: 'group/app', tag: '1' };
const AMD64 = { os: 'linux', architecture: 'amd64' };
const { signal } = new AbortController();

/** A relay that only asks, and one image at `plant:5000/group/app:1`. */
async function start(image: StubImage) {
  const scene = await startRelay();
  const upstream = scene.registry('plant:5000');
  upstream.put('group/app', image, '1');
  const fetchContent = (question: Partial<ContentQuestion> = {}): Promise<ImageContent> =>
    scene.relay.fetchContent({
      reference: REFERENCE,
      access: toAccess('plant:5000'),
      platform: AMD64,
      wanted: undefined,
      signal,
      ...question,
    });
  return { ...scene, upstream, fetchContent };
}

it.each(['docker', 'oci'] as const)(
  'tells the layers of a %s image with their sizes, from the bottom up',
  async (format) => {
    const layers = [randomLayer(5), randomLayer(7)];
    const image = stubImage({ format, layers });
    const { fetchContent } = await start(image);
    expect(await fetchContent()).toEqual({
      digest: image.root.digest,
      platforms: [AMD64],
      config: { digest: image.blobs[0]?.digest, sizeBytes: image.blobs[0]?.bytes.length },
      layers: layers.map((layer) => ({
        digest: layer.digest,
        sizeBytes: layer.bytes.length,
        mediaType: layer.mediaType,
        diffId: toDiffId(layer),
      })),
    });
  },
);

it.each(['docker', 'oci'] as const)(
  'of a %s index it tells what the platform’s own image holds',
  async (format) => {
    const members = { 'linux/arm64/v8': stubImage({ format }), 'linux/amd64': stubImage({ format }) };
    const index = stubIndex({ ...members, 'unknown/unknown': stubImage({ format }) }, format);
    const { fetchContent, upstream } = await start(index);
    const content = await fetchContent();
    expect(content.digest).toBe(index.root.digest);
    expect(content.platforms).toEqual([parsePlatform('linux/arm64/v8'), AMD64]);
    expect(content.config.digest).toBe(members['linux/amd64'].blobs[0]?.digest);
    const wanted = await fetchContent({ wanted: { os: 'linux', architecture: 'arm64' } });
    expect(wanted.config.digest).toBe(members['linux/arm64/v8'].blobs[0]?.digest);
    expect(upstream.asked.filter((line) => line.startsWith('GET'))).toHaveLength(4);
  },
);

it('what the manifest says of unpacked sizes need not be asked for', async () => {
  const plain = { ...randomLayer(1024), mediaType: 'application/vnd.oci.image.layer.v1.tar' };
  const packed = { ...randomLayer(9), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
  const { root, blobs } = stubImage({ format: 'oci', layers: [plain, packed, packed] });
  const manifest = JSON.parse(String(root.bytes)) as { layers: object[] };
  const annotations = { 'io.containers.estargz.uncompressed-size': '20480' };
  manifest.layers[1] = { ...manifest.layers[1], annotations };
  const annotated = toBlob(manifest, TYPES.oci.manifest);
  const { fetchContent } = await start({ root: annotated, manifests: [annotated], blobs });
  const { layers } = await fetchContent();
  expect(layers.map(({ unpackedBytes }) => unpackedBytes)).toEqual([1024, 20_480, undefined]);
});

it('a digest is asked for by itself, whatever the tag says, and once', async () => {
  const [old, moved] = [stubImage(), stubImage()];
  const { fetchContent, upstream } = await start(old);
  upstream.put('group/app', moved, '1');
  const reference = { ...REFERENCE, digest: old.root.digest };
  expect((await fetchContent({ reference })).digest).toBe(old.root.digest);
  await fetchContent({ reference });
  expect(upstream.asked.filter((line) => !line.startsWith('BLOB'))).toEqual([
    `GET group/app ${old.root.digest}`,
  ]);
  expect((await fetchContent()).digest).toBe(moved.root.digest);
});

it.each<[string, StubImage, string, RegExp]>([
  [
    'an index without the platform',
    stubIndex({ 'linux/s390x': stubImage() }),
    'PlatformMismatch',
    /for linux\/s390x, and not for linux\/amd64/,
  ],
  [
    'an image of another platform',
    stubImage({ platform: 'windows/amd64' }),
    'PlatformMismatch',
    /for windows\/amd64, and/,
  ],
  [
    'an index that hides that',
    stubIndex({ '': stubImage({ platform: 'linux/s390x' }) }),
    'PlatformMismatch',
    /for linux\/s390x/,
  ],
  [
    'a chart',
    stubImage({ configType: 'application/vnd.cncf.helm.config.v1+json' }),
    'RegistryError',
    /no container image/,
  ],
  [
    'a configuration of other layers',
    stubImage({ diffIds: [] }),
    'RegistryError',
    /2 layers and the image configuration 0/,
  ],
  [
    'an index in an index',
    stubIndex({ 'linux/amd64': stubIndex({}) }),
    'RegistryError',
    /an index within an index/,
  ],
  [
    'a manifest of the first kind',
    toOther('application/vnd.docker.distribution.manifest.v1+json'),
    'RegistryError',
    /push the image again/,
  ],
])('%s is refused with a reason', async (_, image, reason, words) => {
  const { fetchContent } = await start(image);
  const failure: unknown = await fetchContent().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AgentError);
  expect(failure).toMatchObject({ reason, message: expect.stringMatching(words) });
});

function toOther(mediaType: string): StubImage {
  const root = toBlob({ schemaVersion: 1 }, mediaType);
  return { root, manifests: [root], blobs: [] };
}

it('an image configuration that is not what its digest says, or too large, is refused', async () => {
  const image = stubImage({ layers: [] });
  const [config] = image.blobs;
  const damaged = { ...image, blobs: [{ ...toBlob({}), digest: config?.digest ?? '' }] };
  await expect((await start(damaged)).fetchContent()).rejects.toMatchObject({ reason: 'Corrupt' });

  const manifest = {
    config: { ...toDescriptor(toBlob({}, TYPES.docker.config)), size: 4 * 1024 * 1024 + 1 },
    layers: [],
  };
  const root = toBlob(manifest, TYPES.docker.manifest);
  const huge = await start({ root, manifests: [root], blobs: [] });
  await expect(huge.fetchContent()).rejects.toMatchObject({ reason: 'RegistryError' });
  expect(huge.upstream.asked.filter((line) => line.startsWith('BLOB'))).toEqual([]);
});

it('whether a tag has moved is one short question once the platforms are known', async () => {
  const image = stubImage();
  const { relay, upstream } = await start(image);
  const fetch = () => relay.fetchManifest(REFERENCE, toAccess('plant:5000'), signal);
  const expected = { digest: image.root.digest, platforms: [AMD64] };
  expect(await fetch()).toEqual(expected);
  const asked = upstream.asked.length;
  expect(await fetch()).toEqual(expected);
  expect(upstream.asked.slice(asked)).toEqual(['HEAD group/app 1']);
});

it('an index tells its platforms without an image configuration', async () => {
  const { relay, upstream } = await start(
    stubIndex({ 'linux/amd64': stubImage(), 'unknown/unknown': stubImage() }),
  );
  expect((await relay.fetchManifest(REFERENCE, toAccess('plant:5000'), signal)).platforms).toEqual([AMD64]);
  expect(upstream.asked.filter((line) => line.startsWith('BLOB'))).toEqual([]);
});

it('a failed login is the registry’s own; one that succeeds tells what it speaks', async () => {
  const { relay, upstream } = await start(stubImage());
  expect(await relay.login(toAccess('plant:5000'), signal)).toEqual({ isPlainHttp: true });
  upstream.failure = new AgentError('Unauthorized', 'no');
  await expect(relay.login(toAccess('plant:5000'), signal)).rejects.toMatchObject({ reason: 'Unauthorized' });
});

it('one connection to a registry serves all who come with the same password, and no other', async () => {
  const opened: string[] = [];
  const { relay } = await startRelay({
    openUpstream: ({ address, ca, credential }) => {
      opened.push(
        `${credential?.username ?? 'anybody'} at ${address}${ca === undefined ? '' : ' with a CA'}`,
      );
      return createStubUpstream();
    },
  });
  const access = toAccess('plant:5000');
  const another = {
    ...access,
    credential: { name: 'password2', username: 'edge-device', password: new Secret('x') },
  };
  const each = [
    access,
    toAccess('plant:5000'),
    { ...access, credential: undefined },
    { ...access, ca: 'PEM' },
  ];
  for (const one of [...each, another as typeof access, toAccess('other:1'), ...each])
    await relay.login(one, signal);
  expect(opened).toEqual([
    'edge-device at plant:5000',
    'anybody at plant:5000',
    'edge-device at plant:5000 with a CA',
    'edge-device at plant:5000',
    'edge-device at other:1',
  ]);
});

it('the rate and what is kept are passed on', async () => {
  const { relay, rates, blobs } = await startRelay();
  relay.setRate(1_000_000);
  await relay.keepOnly(new Set(['a']));
  expect([rates, blobs.keptOnly]).toEqual([[1_000_000], new Set(['a'])]);
});

it.each([
  ['the type of its configuration', stubImage({ configType: `application/${PASSWORD}` })],
  ['its platform', stubImage({ platform: `linux/${PASSWORD}` })],
  ['its platform in an index', stubIndex({ [`linux/${PASSWORD}`]: stubImage() })],
])('no word of the password is in what is said of an image that has it in %s', async (_, image) => {
  const { fetchContent } = await start(image);
  await expect(fetchContent()).rejects.toThrow('[secret]');
  await expect(fetchContent()).rejects.not.toThrow(PASSWORD);
});
