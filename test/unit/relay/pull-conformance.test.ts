import { expect, it } from 'vitest';
import type { OfferRequest } from '#agent/relay-port';
import { ask, startOffering } from '#test/unit/relay/scene';
import { stubImage, stubIndex, toDigest, TYPES } from '#test/unit/relay/stub-image';
import type { StubImage } from '#test/unit/relay/stub-image';

/**
 * What the pull workflow of the OCI distribution conformance suite expects.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/conformance/01_pull_test.go
 */

const NOWHERE = `sha256:${'a'.repeat(64)}`;
const start = (image: StubImage = stubImage(), options: Partial<OfferRequest> = {}) =>
  startOffering(image, options);

it.each(['/v2/', '/v2'])('answers %s to whoever asks, without a word of authentication', async (path) => {
  const { port } = await start();
  const { status, headers, body } = await ask(port, path);
  expect([status, headers['docker-distribution-api-version'], JSON.parse(String(body))]).toEqual([
    200,
    'registry/2.0',
    {},
  ]);
  expect(headers['www-authenticate']).toBeUndefined();
});

it.each(['docker', 'oci'] as const)(
  'serves a %s manifest by tag and by digest, byte for byte',
  async (format) => {
    const image = stubImage({ format });
    const { port, path } = await start(image);
    for (const what of ['1', image.root.digest]) {
      const { status, headers, body } = await ask(port, `${path}/manifests/${what}`);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': TYPES[format].manifest,
        'content-length': String(image.root.bytes.length),
        'docker-content-digest': image.root.digest,
      });
      expect(body.equals(image.root.bytes)).toBe(true);
    }
  },
);

it('answers HEAD of manifests and blobs with the same headers as GET, and without a body', async () => {
  const image = stubImage();
  const { port, path } = await start(image);
  const [config, layer] = image.blobs;
  const manifests = ['manifests/1', `manifests/${image.root.digest}`];
  for (const place of [...manifests, `blobs/${config?.digest}`, `blobs/${layer?.digest}`]) {
    const got = await ask(port, `${path}/${place}`);
    const head = await ask(port, `${path}/${place}`, { method: 'HEAD' });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect({ ...head.headers, date: '' }).toEqual({ ...got.headers, date: '' });
    expect(head.headers['content-length']).toBe(String(got.body.length));
  }
});

it('asks no registry for a blob that is only looked for', async () => {
  const image = stubImage();
  const { port, path, upstream } = await start(image);
  await ask(port, `${path}/blobs/${image.blobs[1]?.digest}`, { method: 'HEAD' });
  expect(upstream.asked.filter((line) => line.startsWith('BLOB'))).toEqual([]);
});

it('serves configuration and layers whole, with digest, length and type', async () => {
  const image = stubImage();
  const fetched: number[] = [];
  const { port, path, offer } = await start(image, { onFetched: (bytes) => fetched.push(bytes) });
  for (const { digest, bytes } of image.blobs) {
    const { status, headers, body } = await ask(port, `${path}/blobs/${digest}`);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(bytes.length),
      'docker-content-digest': digest,
      'accept-ranges': 'bytes',
    });
    expect(toDigest(body)).toBe(digest);
  }
  expect(fetched.reduce((sum, bytes) => sum + bytes, 0)).toBe(
    image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  expect([offer.wasAsked, offer.failure]).toEqual([true, undefined]);
});

it.each([
  ['bytes=0-0', 0, 1],
  ['bytes=100000-', 100_000, 200_000],
  ['bytes=65536-131071', 65_536, 131_072],
  ['bytes=199999-300000', 199_999, 200_000],
  ['bytes=-500', 199_500, 200_000],
])('serves %s of a layer as 206 with just these bytes', async (range, from, to) => {
  const image = stubImage();
  const { port, path, blobs } = await start(image);
  const layer = image.blobs[1];
  const { status, headers, body } = await ask(port, `${path}/blobs/${layer?.digest}`, { headers: { range } });
  expect([status, headers['content-range'], headers['content-length']]).toEqual([
    206,
    `bytes ${from}-${to - 1}/200000`,
    String(to - from),
  ]);
  expect(body.equals(layer?.bytes.subarray(from, to) ?? Buffer.alloc(0))).toBe(true);
  await expect.poll(() => blobs.readers).toBe(0);
});

it.each(['bytes=200000-', 'bytes=999999-1000000', 'bytes=-0'])(
  'answers 416 to %s of 200,000 bytes',
  async (range) => {
    const image = stubImage();
    const { port, path, blobs } = await start(image);
    const { status, headers } = await ask(port, `${path}/blobs/${image.blobs[1]?.digest}`, {
      headers: { range },
    });
    expect([status, headers['content-range'], blobs.readBytes]).toEqual([416, 'bytes */200000', 0]);
  },
);

it('takes a range only if it is of the blob that the client has the beginning of', async () => {
  const image = stubImage();
  const { port, path } = await start(image);
  const digest = image.blobs[1]?.digest ?? '';
  const askFor = async (etag: string): Promise<number> =>
    (await ask(port, `${path}/blobs/${digest}`, { headers: { range: 'bytes=5-', 'if-range': etag } })).status;
  expect([await askFor(`"${digest}"`), await askFor('"other"')]).toEqual([206, 200]);
});

it.each([
  ['manifests/2', 'MANIFEST_UNKNOWN'],
  [`manifests/${NOWHERE}`, 'MANIFEST_UNKNOWN'],
  [`blobs/${NOWHERE}`, 'BLOB_UNKNOWN'],
])('answers 404 to %s with the code %s, and calls that no failure', async (place, code) => {
  const { port, path, offer } = await start();
  const got = await ask(port, `${path}/${place}`);
  expect([got.status, got.headers['content-type']]).toEqual([404, 'application/json']);
  expect(JSON.parse(String(got.body))).toMatchObject({ errors: [{ code }] });
  const head = await ask(port, `${path}/${place}`, { method: 'HEAD' });
  expect([head.status, head.body.length]).toEqual([404, 0]);
  expect(offer.failure).toBeUndefined();
});

it('answers 404 NAME_UNKNOWN to a name that was never handed out', async () => {
  const image = stubImage();
  const { port } = await start(image);
  const { status, body } = await ask(port, `/v2/${'0'.repeat(32)}/manifests/${image.root.digest}`);
  expect([status, JSON.parse(String(body))]).toMatchObject([404, { errors: [{ code: 'NAME_UNKNOWN' }] }]);
});

it.each(['tags/list', 'referrers/sha256:00', 'blobs/uploads/', `manifests/${NOWHERE}/..`, ''])(
  'has nothing at "%s" of what it offers',
  async (place) => {
    const { port, path } = await start();
    expect((await ask(port, `${path}/${place}`)).status).toBe(404);
  },
);

it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'])('refuses %s with 405', async (method) => {
  const { port, path } = await start();
  const { status, headers } = await ask(port, `${path}/manifests/1`, { method });
  expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
});

it('serves an index, each of its children, and the blobs of all', async () => {
  const index = stubIndex({
    'linux/amd64': stubImage({ format: 'oci' }),
    'linux/arm64/v8': stubImage({ format: 'oci' }),
  });
  const { port, path, offer } = await start(index);
  for (const { digest, mediaType } of index.manifests) {
    const { status, headers, body } = await ask(port, `${path}/manifests/${digest}`);
    expect([status, headers['content-type'], toDigest(body)]).toEqual([200, mediaType, digest]);
  }
  for (const { digest } of index.blobs) {
    expect(toDigest((await ask(port, `${path}/blobs/${digest}`)).body)).toBe(digest);
  }
  expect(offer.failure).toBeUndefined();
});

it('finds a blob for an engine that has the manifests from an earlier pull and asks for none', async () => {
  const [absent, wanted] = [stubImage(), stubImage()];
  const index = stubIndex({ 'linux/amd64': absent, 'linux/arm64/v8': stubImage(), 'linux/s390x': wanted });
  const { port, path, upstream, offer } = await start(index);
  upstream.forget(absent.root.digest);
  const layer = wanted.blobs[1]?.digest;
  expect(toDigest((await ask(port, `${path}/blobs/${layer}`)).body)).toBe(layer);
  const asked = upstream.asked.length;
  expect((await ask(port, `${path}/blobs/${NOWHERE}`)).status).toBe(404);
  expect(upstream.asked).toHaveLength(asked);
  expect(offer.failure).toBeUndefined();
});
