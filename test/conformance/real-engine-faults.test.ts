import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PulledImage, PullRequest } from '#agent/ports';
import { foldLayer, NO_PROGRESS } from '#core/progress';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { multiPlatformHelloWorld, helloWorld } from '#lab/images/hello-world';
import { multiPlatformImage } from '#lab/images/image';
import type { RegistryFaults } from '#lab/registry/faults';
import { startRealHarness } from '#test/conformance/real-harness';
import type { RealHarness } from '#test/conformance/real-harness';

let harness: RealHarness;
beforeAll(async () => {
  harness = await startRealHarness();
  await harness.serve('app', '1');
  await harness.serve('hello', '1');
});
afterEach(() => harness.reset());
afterAll(() => harness.close());

const { signal } = new AbortController();
const toReference = (repository: string) => ({ registry: harness.address, repository, tag: '1' });
const pull = (repository: string, options: Partial<PullRequest> = {}): Promise<PulledImage> =>
  harness.engine.pull({
    reference: toReference(repository),
    credential: harness.credential,
    platform: undefined,
    signal,
    onLayer: () => undefined,
    ...options,
  });

const toOutcome = (pulling: Promise<PulledImage>): Promise<string> =>
  pulling.then(
    () => 'Pulled',
    (error: unknown) => AgentError.of(error).reason,
  );

describe('a pull has the reason of its failure when', () => {
  test.each<[string, Partial<RegistryFaults>, FailureReason]>([
    ['a layer is missing', { missingBlob: 'any' }, 'Corrupt'],
    ['what comes is not what the digest says', { corruptBlob: 'any' }, 'Corrupt'],
    ['the registry asks for fewer requests', { manifestStatus: 429 }, 'RateLimited'],
    ['it does so for a layer', { blobStatus: 429 }, 'RateLimited'],
    ['the gateway has no registry', { manifestStatus: 502 }, 'RegistryError'],
    ['the token endpoint is broken', { tokenStatus: 503 }, 'RegistryError'],
    ['something else listens there', { html: true }, 'RegistryError'],
  ])('%s', async (_, faults, reason) => {
    // What the containerd store kept of a pull that failed would be used by the next one.
    await harness.serve('app', '1', { seed: JSON.stringify(faults) });
    Object.assign(harness.registry.faults, faults);
    await expect(pull('app')).rejects.toMatchObject({ name: 'AgentError', reason });
    expect(await harness.engine.listImages(signal)).toEqual([]);
  });
});

test.each<[number, FailureReason]>([
  [503, 'RegistryError'],
  [404, 'RegistryError'],
  [429, 'RateLimited'],
])(
  'a pull takes a /v2/ with status %i for a wrong password, and a login says what it is',
  async (status, reason) => {
    const { engine, address, credential, registry } = harness;
    registry.faults.pingStatus = status;
    // The containerd store pulls without a look at /v2/.
    const { store } = await engine.fetchInfo(signal);
    expect(await toOutcome(pull('app'))).toBe(store === 'containerd' ? 'Pulled' : 'Unauthorized');
    await expect(engine.login(address, credential, signal)).rejects.toMatchObject({ reason });
    await expect(engine.login(address, undefined, signal)).rejects.toMatchObject({ reason });
  },
);

test('a registry that accepts and never answers is unreachable', async () => {
  const { engine, address, credential, registry } = harness;
  registry.faults.hang = true;
  await expect(engine.login(address, credential, signal)).rejects.toMatchObject({
    reason: 'RegistryUnreachable',
  });
});

describe('an image for several platforms', () => {
  test('is pulled for the one that is wanted, under the digest of the whole', async () => {
    const { digest } = await harness.registry.push(await multiPlatformHelloWorld(), 'hello', '1');
    const { engine, credential } = harness;
    const arm64 = { os: 'linux', architecture: 'arm64' };
    const amd64 = { os: 'linux', architecture: 'amd64' };
    const manifest = await engine.fetchManifest(toReference('hello'), credential, signal);
    expect(manifest).toEqual({ digest, platforms: [amd64, arm64] });
    expect(await pull('hello', { platform: arm64 })).toMatchObject({ digest, platform: arm64 });
    expect(await pull('hello')).toMatchObject({ digest, platform: amd64, wasPresent: false });
    expect(await pull('hello')).toMatchObject({ digest, platform: amd64, wasPresent: true });
    const reference = { ...toReference('hello'), digest };
    expect(await pull('hello', { reference, platform: arm64 })).toMatchObject({ digest, platform: arm64 });
    const tagged = await engine.inspectImage(`${harness.address}/hello:1`, signal);
    expect(tagged).toMatchObject({ digests: [`${harness.address}/hello@${digest}`] });
    expect(tagged?.platforms ?? [tagged?.platform]).toContainEqual(arm64);
  });

  test('cannot take the digest from one that a container uses, unless the store holds both', async () => {
    await harness.registry.push(await multiPlatformHelloWorld(), 'hello', '1');
    const { engine, credential } = harness;
    const { digest } = await engine.fetchManifest(toReference('hello'), credential, signal);
    const reference = { registry: harness.address, repository: 'hello', digest };
    const { id } = await pull('hello', { reference });
    await harness.use(id);
    const arm64 = { os: 'linux', architecture: 'arm64' };
    const { store } = await engine.fetchInfo(signal);
    const outcome = await toOutcome(pull('hello', { reference, platform: arm64 }));
    expect(outcome).toBe(store === 'containerd' ? 'Pulled' : 'PlatformMismatch');
    expect(await engine.inspectImage(id, signal)).toMatchObject({ id });
  });

  test('without the one that is wanted is refused', async () => {
    await harness.registry.push(multiPlatformImage([await helloWorld('linux/arm64')]), 'hello', '1');
    await expect(pull('hello')).rejects.toMatchObject({ reason: 'PlatformMismatch' });
    expect(await harness.engine.listImages(signal)).toEqual([]);
  });
});

test('the lines about layers lead to 99 percent and all bytes', async () => {
  let progress = NO_PROGRESS;
  await pull('app', {
    onLayer: (layerId, event) => {
      progress = foldLayer(progress, layerId, event);
    },
  });
  expect(progress.percent).toBe(99);
  expect([...progress.layers.values()].map(({ stage }) => stage)).toEqual(['pulled', 'pulled']);
});

test('of two pulls that share their layers, the one goes on that is not aborted', async () => {
  await harness.serve('app', '1', { seed: 'shared' });
  harness.holdPulls();
  const controller = new AbortController();
  const aborted = pull('app', { signal: controller.signal });
  const kept = pull('app');
  await harness.untilPulling();
  controller.abort(new Error('mine'));
  await expect(aborted).rejects.toThrow('mine');
  harness.registry.faults.totalBytesPerSecond = undefined;
  expect(await kept).toMatchObject({ wasPresent: false });
});

test('an engine that is stopped in mid-pull is unavailable, and found again when it is back', async () => {
  const { engine, dockerd } = harness;
  await harness.serve('app', '1', { seed: 'stopped' });
  harness.holdPulls();
  const ends = Promise.allSettled([pull('app'), engine.followEvents(() => undefined, signal)]);
  await harness.untilPulling();
  await dockerd.stop();
  expect(await ends).toMatchObject([
    { status: 'rejected', reason: { name: 'AgentError' } },
    { status: 'rejected', reason: { reason: 'EngineUnavailable' } },
  ]);
  await expect(engine.listImages(signal)).rejects.toMatchObject({ reason: 'EngineUnavailable' });
  await dockerd.start();
  harness.registry.faults.totalBytesPerSecond = undefined;
  expect(await pull('app')).toMatchObject({ wasPresent: false });
});

test('an engine that hangs holds no question longer than its signal', async () => {
  const { engine, dockerd, credential } = harness;
  dockerd.pause();
  try {
    const questions = [
      (limit: AbortSignal) => engine.listImages(limit),
      (limit: AbortSignal) => engine.inspectImage('sha256:0', limit),
      (limit: AbortSignal) => engine.fetchManifest(toReference('app'), credential, limit),
      (limit: AbortSignal) => pull('app', { signal: limit }),
    ];
    for (const question of questions) {
      const controller = new AbortController();
      const answer = question(controller.signal);
      controller.abort(new Error('mine'));
      await expect(answer).rejects.toThrow('mine');
    }
  } finally {
    dockerd.resume();
  }
});
