import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { AgentError } from '#core/reason';
import type { BlobRead } from '#relay/blobs';
import {
  ask,
  offerOf,
  startOffering,
  startRelay,
  toAccess,
  toPath,
  WAIT,
  waitUntilServing,
} from '#test/unit/relay/scene';
import { createStubBlobs } from '#test/unit/relay/stub-upstream';
import { randomLayer, stubImage, stubIndex, toDigest } from '#test/unit/relay/stub-image';

/** Begins to read over a connection that would stay, as an engine's does, and tells what came and how it ended. */
async function open(port: number, path: string) {
  const asked = request({ port, host: '127.0.0.1', path, agent: new Agent({ keepAlive: true }) });
  asked.on('error', () => undefined).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  let ending: 'whole' | 'cut' | undefined;
  response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  response.once('close', () => (ending = response.complete ? 'whole' : 'cut'));
  return {
    bytes: () => Buffer.concat(chunks),
    ending: () => ending,
    leave: () => asked.destroy(),
  };
}

const digestOf = (image: ReturnType<typeof stubImage>, index: number): string =>
  image.blobs[index]?.digest ?? '';

it('an offer is pulled by digest from the relay’s own address, under a name that is never the same', async () => {
  const image = stubImage();
  const { relay, port, offer } = await startOffering(image);
  expect(offer.reference).toEqual({
    registry: `127.0.0.1:${port}`,
    repository: expect.stringMatching(/^[0-9a-f]{32}$/),
    digest: image.root.digest,
  });
  const names = Array.from({ length: 100 }, () => offerOf(relay, image).reference.repository);
  expect(new Set([...names, offer.reference.repository]).size).toBe(101);
});

it('nobody asked before somebody did', async () => {
  const { port, offer, path } = await startOffering(stubImage());
  expect(offer.wasAsked).toBe(false);
  await ask(port, '/v2/');
  expect(offer.wasAsked).toBe(false);
  await ask(port, `${path}/manifests/1`);
  expect(offer.wasAsked).toBe(true);
});

it('a probe serves nothing, and tells that somebody asked', async () => {
  const { relay, port } = await startRelay();
  await waitUntilServing(relay);
  const probe = relay.offerProbe();
  const { repository, digest } = probe.reference;
  expect([probe.wasAsked, (await ask(port, `/v2/${repository}/manifests/${digest}`)).status]).toEqual([
    false,
    404,
  ]);
  expect(probe.wasAsked).toBe(true);
  probe.end();
  probe.end();
});

it('what is ended is no longer there', async () => {
  const image = stubImage();
  const { port, offer, path } = await startOffering(image);
  expect((await ask(port, `${path}/manifests/1`)).status).toBe(200);
  offer.end();
  offer.end();
  for (const place of ['manifests/1', `manifests/${image.root.digest}`, `blobs/${digestOf(image, 1)}`]) {
    expect((await ask(port, `${path}/${place}`)).status).toBe(404);
  }
  expect(offer.failure).toBeUndefined();
});

it('a blob that was being read when its offer ended is cut, and the registry is let go', async () => {
  const image = stubImage();
  const { port, offer, path, blobs } = await startOffering(image);
  blobs.stops.set('any', { atByte: 65_536 });
  await ask(port, `${path}/manifests/1`);
  const reading = await open(port, `${path}/blobs/${digestOf(image, 1)}`);
  await expect.poll(() => reading.bytes().length, WAIT).toBe(65_536);
  offer.end();
  await expect.poll(reading.ending, WAIT).toBe('cut');
  expect([blobs.readers, offer.failure]).toEqual([0, undefined]);
});

it('an engine that leaves in the middle of a blob lets the registry go, and that is no failure', async () => {
  const image = stubImage();
  const { port, offer, path, blobs } = await startOffering(image);
  blobs.stops.set('any', { atByte: 65_536 });
  await ask(port, `${path}/manifests/1`);
  const reading = await open(port, `${path}/blobs/${digestOf(image, 1)}`);
  await expect.poll(() => reading.bytes().length, WAIT).toBe(65_536);
  reading.leave();
  await expect.poll(() => blobs.readers, WAIT).toBe(0);
  expect(offer.failure).toBeUndefined();
});

it('an engine that leaves before it has the manifest is no failure, and the next one is served', async () => {
  const image = stubImage();
  const { port, offer, path, upstream } = await startOffering(image);
  const { fetchManifest } = upstream;
  const { promise: asked, resolve: tell } = Promise.withResolvers<AbortSignal>();
  upstream.fetchManifest = async (_repository, _what, signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason));
    tell(signal);
    return await promise;
  };
  const leaving = request({ port, host: '127.0.0.1', path: `${path}/manifests/1`, agent: false });
  leaving.on('error', () => undefined).end();
  const signal = await asked;
  leaving.destroy();
  await expect.poll(() => signal.aborted, WAIT).toBe(true);
  upstream.fetchManifest = fetchManifest;
  expect((await ask(port, `${path}/manifests/1`)).status).toBe(200);
  expect(offer.failure).toBeUndefined();
});

it('an offer that ends while its manifest is read lets the registry go', async () => {
  const { port, offer, path, upstream } = await startOffering(stubImage());
  const { promise: asked, resolve: tell } = Promise.withResolvers<AbortSignal>();
  upstream.fetchManifest = async (_repository, _what, signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason));
    tell(signal);
    return await promise;
  };
  const answer = ask(port, `${path}/manifests/1`);
  await asked;
  offer.end();
  expect((await answer).status).toBe(404);
  expect(offer.failure).toBeUndefined();
});

it.each([
  ['smaller', -1000],
  ['larger', 1000],
])('a blob that is %s than its manifest says never ends well', async (_, difference) => {
  const layer = randomLayer();
  const image = stubImage({ layers: [layer] });
  const { port, path, upstream } = await startOffering(image);
  const bytes = Buffer.concat([layer.bytes, Buffer.alloc(1000)]).subarray(0, layer.bytes.length + difference);
  upstream.put('group/app', { ...image, blobs: [{ ...layer, bytes }] }, '1');
  await ask(port, `${path}/manifests/1`);
  const reading = await open(port, `${path}/blobs/${layer.digest}`);
  await expect.poll(reading.ending, WAIT).toBe('cut');
  expect(reading.bytes().length).toBeLessThan(layer.bytes.length);
});

it('a blob whose first byte is long in coming has its headers in time, and is cut where it fails then', async () => {
  const stub = createStubBlobs();
  stub.stops.set('any', { atByte: 0 });
  const clock = {
    ...systemClock,
    sleep: (ms: number, until: AbortSignal) => systemClock.sleep(ms / 100, until),
  };
  const { relay, port, registry } = await startRelay({ clock, blobs: stub });
  await waitUntilServing(relay);
  const image = stubImage();
  registry('plant:5000').put('group/app', image, '1');
  const offer = offerOf(relay, image);
  // Headers came, or this would not go on.
  const reading = await open(port, `${toPath(offer)}/blobs/${digestOf(image, 1)}`);
  expect(reading.bytes()).toHaveLength(0);
  offer.end();
  await expect.poll(reading.ending, WAIT).toBe('cut');
});

it('of an image configuration that was read before a part is served too', async () => {
  const image = stubImage();
  const { relay, port, offer, path } = await startOffering(image);
  const [config] = image.blobs;
  await relay.fetchManifest(
    { registry: 'plant:5000', repository: 'group/app', tag: '1' },
    toAccess('plant:5000'),
    new AbortController().signal,
  );
  const headers = { range: 'bytes=10-' };
  const { status, body } = await ask(port, `${path}/blobs/${config?.digest}`, { headers });
  expect([status, body.equals(config?.bytes.subarray(10) ?? Buffer.alloc(0))]).toEqual([206, true]);
  expect(offer.failure).toBeUndefined();
});

it('a reader that does not read has no more than a few buffers fetched for him', async () => {
  const image = stubImage({ layers: [randomLayer(50_000_000)] });
  const { port, path, blobs } = await startOffering(image);
  await ask(port, `${path}/manifests/1`);
  const asked = request({
    port,
    host: '127.0.0.1',
    path: `${path}/blobs/${digestOf(image, 1)}`,
    agent: false,
  });
  asked.on('error', () => undefined).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  let last = -1;
  await expect
    .poll(
      () => {
        const isStill = blobs.readBytes === last;
        last = blobs.readBytes;
        return isStill;
      },
      { timeout: 30_000, interval: 200 },
    )
    .toBe(true);
  expect(last).toBeLessThan(20_000_000);
  asked.destroy();
  await expect.poll(() => blobs.readers, WAIT).toBe(0);
});

it('what the registry does not give is the offer’s failure; the engine is told 404 and need not try again', async () => {
  const image = stubImage();
  const told: string[] = [];
  const { port, offer, path, upstream, blobs } = await startOffering(image, {
    onFailed: ({ reason }) => told.push(reason),
  });
  await ask(port, `${path}/manifests/1`);
  upstream.failure = new AgentError('AccessDenied', 'plant:5000 refuses secret-detail');
  const refused = await ask(port, `${path}/blobs/${digestOf(image, 1)}`);
  expect([refused.status, String(refused.body).includes('secret-detail')]).toEqual([404, false]);
  expect(offer.failure).toMatchObject({ reason: 'AccessDenied' });
  upstream.failure = undefined;
  expect((await ask(port, `${path}/blobs/${digestOf(image, 2)}`)).status).toBe(404);
  expect((await ask(port, `${path}/manifests/${image.root.digest}`)).status).toBe(404);
  expect(blobs.readers).toBe(0);
  expect(told).toEqual(['AccessDenied']);
});

it('a registry that is given up in mid-blob cuts the engine’s connection, and the next question is a 404', async () => {
  const image = stubImage();
  const { port, offer, path, blobs } = await startOffering(image);
  await ask(port, `${path}/manifests/1`);
  blobs.stops.set('any', { atByte: 65_536, failure: new AgentError('Stalled', 'no byte for 600 s') });
  const reading = await open(port, `${path}/blobs/${digestOf(image, 1)}`);
  await expect.poll(reading.ending, WAIT).toBe('cut');
  expect(offer.failure).toMatchObject({ reason: 'Stalled', message: 'no byte for 600 s' });
  const headers = { range: 'bytes=65536-' };
  expect((await ask(port, `${path}/blobs/${digestOf(image, 1)}`, { headers })).status).toBe(404);
});

it('a manifest that the registry has no more is a failure, one that no engine understands too', async () => {
  const image = stubImage();
  const { port, offer, path, upstream } = await startOffering(image);
  upstream.forget(image.root.digest);
  expect((await ask(port, `${path}/manifests/${image.root.digest}`)).status).toBe(404);
  expect(offer.failure).toMatchObject({ reason: 'NotFound' });

  const old = stubImage();
  const odd = { ...old, root: { ...old.root, mediaType: 'application/x-odd' } };
  const second = await startOffering({ ...odd, manifests: [odd.root] });
  expect((await ask(second.port, `${second.path}/manifests/1`)).status).toBe(404);
  expect(second.offer.failure).toMatchObject({ reason: 'RegistryError' });
});

/** Two platforms, of which the manifest of arm64 cannot be had once. */
async function startWithOneFailure() {
  const arm64 = stubImage();
  const amd64 = stubImage();
  const index = stubIndex({ 'linux/arm64': arm64, 'linux/amd64': amd64 });
  const scene = await startOffering(index);
  const { fetchManifest } = scene.upstream;
  let failures = 1;
  scene.upstream.fetchManifest = async (repository, what, signal) => {
    if (what !== arm64.root.digest || failures === 0) return await fetchManifest(repository, what, signal);
    failures -= 1;
    throw new AgentError('RegistryUnreachable', 'plant:5000: connection refused');
  };
  return { ...scene, arm64, amd64 };
}

it('a manifest that cannot be read is the failure where an engine asks for a layer that it may name', async () => {
  const { port, path, offer, arm64 } = await startWithOneFailure();
  expect((await ask(port, `${path}/blobs/${digestOf(arm64, 1)}`)).status).toBe(404);
  expect(offer.failure).toMatchObject({ reason: 'RegistryUnreachable' });
});

it('a manifest that cannot be read holds no layer of another up, and is asked for again', async () => {
  const { port, path, offer, arm64, amd64 } = await startWithOneFailure();
  expect((await ask(port, `${path}/blobs/${digestOf(amd64, 1)}`)).status).toBe(200);
  expect((await ask(port, `${path}/blobs/${digestOf(arm64, 1)}`)).status).toBe(200);
  expect(offer.failure).toBeUndefined();
});

it('a shared layer is read on under the name of a pull that was cancelled, from the offer that still wants it', async () => {
  const shared = randomLayer();
  const [one, other] = [stubImage({ layers: [shared, randomLayer()] }), stubImage({ layers: [shared] })];
  const { relay, registry, port, offer, path, blobs } = await startOffering(one);
  const second = registry('plant:6000');
  second.put('group/other', other, '2');
  const fetched: number[] = [];
  const staying = offerOf(relay, other, {
    reference: { registry: 'plant:6000', repository: 'group/other', tag: '2' },
    access: toAccess('plant:6000'),
    onFetched: (bytes) => fetched.push(bytes),
  });
  await Promise.all([ask(port, `${path}/manifests/1`), ask(port, `${toPath(staying)}/manifests/2`)]);
  blobs.stops.set(registry('plant:5000'), { atByte: 65_536 });
  const reading = await open(port, `${path}/blobs/${shared.digest}`);
  await expect.poll(() => reading.bytes().length, WAIT).toBe(65_536);

  offer.end();

  await expect.poll(reading.ending, WAIT).toBe('whole');
  expect(toDigest(reading.bytes())).toBe(shared.digest);
  expect(fetched.reduce((sum, bytes) => sum + bytes, 0)).toBe(200_000 - 65_536);
  const again = await ask(port, `${path}/blobs/${shared.digest}`, { headers: { range: 'bytes=100000-' } });
  expect([again.status, again.body.length]).toEqual([206, 100_000]);
  expect((await ask(port, `${path}/blobs/${digestOf(one, 2)}`)).status).toBe(404);
  expect([offer.failure, staying.failure]).toEqual([undefined, undefined]);
});

it('a pull that is cancelled while its layer is read fails no other that wants it from the same repository', async () => {
  const shared = randomLayer();
  const [one, other] = [stubImage({ layers: [shared] }), stubImage({ layers: [shared, randomLayer()] })];
  const { relay, port, offer, path, upstream, blobs } = await startOffering(one);
  upstream.put('group/app', other, '2');
  const reference = { registry: 'plant:5000', repository: 'group/app', tag: '2' };
  const staying = offerOf(relay, other, { reference });
  await Promise.all([ask(port, `${path}/manifests/1`), ask(port, `${toPath(staying)}/manifests/2`)]);
  blobs.stops.set('any', { atByte: 65_536 });
  const reading = await open(port, `${path}/blobs/${shared.digest}`);
  await expect.poll(() => reading.bytes().length, WAIT).toBe(65_536);
  blobs.stops.clear();

  offer.end();

  await expect.poll(reading.ending, WAIT).toBe('whole');
  expect(toDigest(reading.bytes())).toBe(shared.digest);
  expect([offer.failure, staying.failure]).toEqual([undefined, undefined]);
});

it('a layer that one registry gives up is had from another that an offer names', async () => {
  const shared = randomLayer();
  const [one, other] = [stubImage({ layers: [shared] }), stubImage({ layers: [shared] })];
  const { relay, registry, port, offer, path, blobs } = await startOffering(one);
  registry('plant:6000').put('group/other', other, '2');
  const second = offerOf(relay, other, {
    reference: { registry: 'plant:6000', repository: 'group/other', tag: '2' },
    access: toAccess('plant:6000'),
  });
  await Promise.all([ask(port, `${path}/manifests/1`), ask(port, `${toPath(second)}/manifests/2`)]);
  blobs.stops.set(registry('plant:5000'), { atByte: 65_536, failure: new AgentError('Stalled', 'no byte') });
  expect(toDigest((await ask(port, `${path}/blobs/${shared.digest}`)).body)).toBe(shared.digest);
  expect([offer.failure?.reason, second.failure]).toEqual(['Stalled', undefined]);
});

it('a blob that a registry gives up fails all offers that want it from there at once, and no other', async () => {
  const shared = randomLayer();
  const [one, other, third] = [stubImage({ layers: [shared] }), stubImage({ layers: [shared] }), stubImage()];
  const { relay, port, offer, path, upstream, blobs } = await startOffering(one);
  upstream.put('group/app', other, '2');
  upstream.put('group/app', third, '3');
  const toReference = (tag: string) => ({ registry: 'plant:5000', repository: 'group/app', tag });
  const second = offerOf(relay, other, { reference: toReference('2') });
  const bystander = offerOf(relay, third, { reference: toReference('3') });
  await ask(port, `${path}/manifests/1`);
  await ask(port, `${toPath(second)}/manifests/2`);
  blobs.stops.set('any', { atByte: 0, failure: new AgentError('Corrupt', 'a damaged blob') });
  expect((await ask(port, `${path}/blobs/${shared.digest}`)).status).toBe(404);
  expect([offer, second, bystander].map(({ failure }) => failure?.reason)).toEqual([
    'Corrupt',
    'Corrupt',
    undefined,
  ]);
});

it('what fetchContent read is served without a second question to the registry', async () => {
  const image = stubImage({ platform: 'linux/amd64' });
  const index = stubIndex({ 'linux/amd64': image, 'linux/arm64': stubImage() });
  const { relay, port, registry } = await startRelay();
  await waitUntilServing(relay);
  const upstream = registry('plant:5000');
  upstream.put('group/app', index, '1');
  const platform = { os: 'linux', architecture: 'amd64' };
  const { digest } = await relay.fetchContent({
    reference: { registry: 'plant:5000', repository: 'group/app', tag: '1' },
    access: toAccess('plant:5000'),
    platform,
    wanted: undefined,
    signal: new AbortController().signal,
  });
  const offer = offerOf(relay, index);
  const asked = upstream.asked.length;
  const path = toPath(offer);
  for (const place of [
    `manifests/${digest}`,
    `manifests/${image.root.digest}`,
    `blobs/${digestOf(image, 0)}`,
  ]) {
    const wanted = place.split('/')[1];
    expect(toDigest((await ask(port, `${path}/${place}`)).body)).toBe(wanted);
  }
  expect(upstream.asked).toHaveLength(asked);
});

it('an image is in the way as long as another registry’s waits for the engine to read it', async () => {
  const stub = createStubBlobs();
  stub.stops.set('any', { atByte: 10 });
  const reads: BlobRead[] = [];
  let nowMs = 0;
  const { relay, port, registry } = await startRelay({
    clock: { ...systemClock, steadyMs: () => nowMs },
    blobs: {
      ...stub,
      read(read) {
        reads.push(read);
        return stub.read(read);
      },
    },
  });
  await waitUntilServing(relay);
  const image = stubImage();
  for (const address of ['plant:5000', 'site:5000']) registry(address).put('group/app', image, '1');
  const layer = `blobs/${digestOf(image, 1)}`;
  await open(port, `${toPath(offerOf(relay, image))}/${layer}`);
  const isInTheWay = (): boolean | undefined => reads[0]?.isInTheWay?.();

  const sibling = toPath(offerOf(relay, image));
  const other = toPath(offerOf(relay, image, { access: toAccess('site:5000') }));
  nowMs += 60_000;
  expect(isInTheWay()).toBe(false);
  await ask(port, `${sibling}/manifests/1`);
  nowMs += 60_000;
  expect(isInTheWay()).toBe(false);
  await ask(port, `${other}/manifests/1`);
  expect(isInTheWay()).toBe(false);
  nowMs += 60_000;
  expect(isInTheWay()).toBe(true);
  await open(port, `${other}/${layer}`);
  expect(isInTheWay()).toBe(false);
});
