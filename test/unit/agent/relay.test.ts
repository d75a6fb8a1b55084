import { describe, expect, it } from 'vitest';
import type { PullRequest } from '#agent/ports';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import type { FakeRelay } from '#test/fakes/fake-relay';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage, StageOptions } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const CAMERA_ID = '/acme/camera:1';
const GATE = `${ADDRESS}/acme/gate:1`;

interface RelayStage extends Stage {
  readonly relay: FakeRelay;
}

/** A stage whose engine pulls at once, and that serves two images. */
function startRelayStage(
  options: StageOptions & { readonly set?: (relay: FakeRelay) => void } = {},
): RelayStage {
  const engine = options.engine ?? createFakeEngine();
  const relay = createFakeRelay(engine);
  options.set?.(relay);
  engine.pullsFinishAtOnce = true;
  engine.serve(CAMERA);
  engine.serve(GATE);
  return { ...startStage({ ...options, engine, relay: () => relay }), relay };
}

const names = async ({ engine }: Stage): Promise<string[]> => {
  const images = await engine.listImages(AbortSignal.timeout(1000));
  return images.flatMap(({ tags, digests }) => [...tags, ...digests]).toSorted();
};

const callsOf = ({ engine }: Stage, call: string): readonly string[] =>
  engine.calls.filter((made) => made.startsWith(call));

/** Has the layers of an image say to what they are unpacked. @returns what the image takes on the disk */
function sizeLayers({ engine, relay }: RelayStage, image: string, unpackedBytes: number): number {
  const [[layerId, sizeBytes] = ['', 0]] = Object.entries(engine.served.get(image)?.layers ?? {});
  relay.unpackedBytes.set(`sha256:${layerId.padEnd(64, '0')}`, unpackedBytes);
  return unpackedBytes + sizeBytes;
}

const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** What `GetStatus` says of how images of the registry come. */
async function route(stage: Stage): Promise<unknown> {
  const { payload } = await stage.call('GetStatus');
  const { transport, transportReason } = (payload as { registries: { plant: Record<string, unknown> } })
    .registries.plant;
  return [transport, transportReason];
}

/** Counts how often it is asked what images hold. */
function countQuestions({ relay }: RelayStage): Map<string, number> {
  const counts = new Map<string, number>();
  const { fetchContent } = relay;
  relay.fetchContent = (question) => {
    const { repository } = question.reference;
    counts.set(repository, (counts.get(repository) ?? 0) + 1);
    return fetchContent(question);
  };
  return counts;
}

describe('what an image holds is asked', () => {
  /** The first one is being pulled; of the second one is known what it holds, and it waits for the place. */
  async function startWaiting(): Promise<{ stage: RelayStage; counts: Map<string, number> }> {
    const stage = startRelayStage();
    const counts = countQuestions(stage);
    stage.engine.pullsFinishAtOnce = false;
    await stage.desire({ camera: CAMERA, gate: GATE }, { maxConcurrentPulls: 1 });
    expect(stage.phases()).toEqual({ camera: 'Pulling', gate: 'Waiting Queued' });
    expect(Object.fromEntries(counts)).toEqual({ 'acme/camera': 1, 'acme/gate': 1 });
    stage.engine.pullsFinishAtOnce = true;
    return { stage, counts };
  }

  async function finish({ engine, clock }: RelayStage): Promise<void> {
    engine.pulls[0]?.finish();
    await clock.advance(1000);
  }

  it('once, before its pull, where that begins within ten seconds', async () => {
    const { stage, counts } = await startWaiting();
    await stage.clock.advance(7000);
    await finish(stage);
    expect(stage.phases()).toEqual({ camera: 'Pulled', gate: 'Pulled' });
    expect(Object.fromEntries(counts)).toEqual({ 'acme/camera': 1, 'acme/gate': 1 });
  });

  it('once more by a pull that begins later: a tag may have moved', async () => {
    const { stage, counts } = await startWaiting();
    const { digest } = stage.engine.serve(GATE, { digest: `sha256:${'7'.repeat(64)}` });
    await stage.clock.advance(11_000);
    await finish(stage);
    expect(stage.image('gate')).toMatchObject({ phase: 'Pulled', digest });
    expect(counts.get('acme/gate')).toBe(2);
  });

  it('once more by a pull that was demanded since', async () => {
    const { stage, counts } = await startWaiting();
    const { digest } = stage.engine.serve(GATE, { digest: `sha256:${'7'.repeat(64)}` });
    await stage.call('PullImages', { images: ['gate'] });
    await finish(stage);
    expect(stage.image('gate')).toMatchObject({ phase: 'Pulled', digest });
    expect(counts.get('acme/gate')).toBe(2);
  });

  it('once more where other properties are desired since', async () => {
    const { stage, counts } = await startWaiting();
    const { digest } = stage.engine.serve(GATE, { digest: `sha256:${'7'.repeat(64)}` });
    await stage.desire({ camera: CAMERA, gate: GATE }, { maxConcurrentPulls: 1, retryInitialSeconds: 11 });
    await finish(stage);
    await stage.clock.advance(5000);
    expect(stage.image('gate')).toMatchObject({ phase: 'Pulled', digest });
    expect(counts.get('acme/gate')).toBe(2);
  });

  it('and compared with the engine again while it waits for room: what it shares may have come', async () => {
    const GB = 1_000_000_000;
    const stage = startRelayStage();
    const { engine, relay, clock } = stage;
    const counts = countQuestions(stage);
    const base = 'ba5eba5eba5e';
    const own = { camera: 'aaaaaaaaaaaa', gate: 'bbbbbbbbbbbb' };
    for (const [reference, id] of [
      [CAMERA, own.camera],
      [GATE, own.gate],
    ] as const) {
      const layers = { [base]: GB, [id]: 10_000_000 };
      engine.serve(reference, { layers, diffIds: ['sha256:base', `sha256:${id}`] });
    }
    for (const [id, bytes] of [
      [base, 2 * GB],
      [own.camera, 20_000_000],
      [own.gate, 20_000_000],
    ] as const)
      relay.unpackedBytes.set(`sha256:${id.padEnd(64, '0')}`, bytes);
    engine.freeBytes = 4 * GB;
    engine.pullsFinishAtOnce = false;
    await stage.desire({ camera: CAMERA, gate: GATE });
    expect(stage.phases()).toEqual({ camera: 'Pulling', gate: 'Waiting LowDisk' });
    engine.pullsFinishAtOnce = true;
    engine.freeBytes -= 2_020_000_000;
    engine.pulls[0]?.finish();
    await clock.advance(60_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled', gate: 'Pulled' });
    expect(counts.get('acme/gate')).toBe(2);
  });

  it('once more by a pull after one that failed', async () => {
    const stage = startRelayStage();
    const counts = countQuestions(stage);
    stage.relay.offerFailure = new AgentError('RegistryError', 'a blob is gone');
    stage.engine.pullsFinishAtOnce = false;
    await stage.desire({ camera: CAMERA }, { retryInitialSeconds: 3 });
    expect(stage.image('camera')).toMatchObject({ reason: 'RegistryError' });
    stage.relay.offerFailure = undefined;
    stage.engine.pullsFinishAtOnce = true;
    await stage.clock.advance(4000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    expect(counts.get('acme/camera')).toBe(2);
  });
});

describe('an image comes through the relay', () => {
  it('and stands under its real name and digest alone', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA });
    const { digest } = stage.engine.served.get(CAMERA) ?? {};
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
    expect(await names(stage)).toEqual([CAMERA, `${ADDRESS}/acme/camera@${digest}`]);
    expect(stage.relay.offered.size).toBe(0);
    expect(await route(stage)).toEqual([
      'relay',
      'The module reaches the registry, and the engine reaches the relay.',
    ]);
  });

  it.each<[string, (onLayer: PullRequest['onLayer']) => void]>([
    ['no answer within 30 s', () => undefined],
    [
      'layers that it would fetch again',
      (onLayer) => onLayer('a', { kind: 'downloading', currentBytes: 1, totalBytes: 2 }),
    ],
  ])('by its tag alone where the engine gets %s when it asks for the name', async (_, tell) => {
    const engine = createFakeEngine();
    const { pull } = engine;
    engine.pull = (request) => {
      if (request.reference.registry !== ADDRESS) return pull(request);
      const unanswered = never(request.signal);
      tell(request.onLayer);
      return unanswered;
    };
    const stage = startRelayStage({ engine });
    await stage.desire({ camera: CAMERA });
    await stage.clock.advance(tell.length === 0 ? 30_000 : 1000);
    const { digest } = engine.served.get(CAMERA) ?? {};
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
    expect(await names(stage)).toEqual([CAMERA]);
  });

  it('by its tag alone where the engine does not reach the registry, and its digest is known all the same', async () => {
    const stage = startRelayStage();
    stage.engine.failures.set(ADDRESS, 'RegistryUntrusted');
    await stage.desire({ camera: CAMERA, gate: GATE }, { maxConcurrentPulls: 1 });
    const { digest } = stage.engine.served.get(CAMERA) ?? {};
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
    expect(await names(stage)).toEqual([CAMERA, GATE]);
    // The engine's own way is not tried again for each image.
    expect(callsOf(stage, `pull ${ADDRESS}`)).toHaveLength(1);
  });

  it('pinned to a digest with a tag, where the engine does not reach the registry', async () => {
    const stage = startRelayStage();
    stage.engine.failures.set(ADDRESS, 'RegistryUntrusted');
    const { digest } = stage.engine.served.get(CAMERA) ?? {};
    await stage.desire({ camera: `${CAMERA}@${digest}` });
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
    await stage.clock.advance(3_600_000);
    expect(callsOf(stage, 'pull 127.0.0.1:5010')).toHaveLength(1);
  });

  it('and fails with the words of the engine where only the registry can give a digest to a name', async () => {
    const stage = startRelayStage();
    stage.engine.failures.set(ADDRESS, 'RegistryUntrusted');
    const { digest } = stage.engine.served.get(CAMERA) ?? {};
    await stage.desire({ camera: `${ADDRESS}/acme/camera@${digest}` });
    expect(stage.image('camera')).toMatchObject({ phase: 'Failed', reason: 'RegistryUntrusted' });
    expect(await names(stage)).toEqual([]);
  });

  it('and while the engine asks for the names of the first ones, as many more as there are places come', async () => {
    const engine = createFakeEngine();
    const { pull } = engine;
    engine.pull = (request) =>
      request.reference.registry === ADDRESS ? never(request.signal) : pull(request);
    const stage = startRelayStage({ engine });
    const images = ['a', 'b', 'c', 'd', 'e'].map((name) => [name, `${ADDRESS}/${name}:1`] as const);
    for (const [, image] of images) engine.serve(image);
    await stage.desire(Object.fromEntries(images), { maxConcurrentPulls: 1 });
    expect(callsOf(stage, 'pull 127.0.0.1:5010')).toHaveLength(3);
  });

  it('and a tag that moves is seen by the module itself', async () => {
    const stage = startRelayStage();
    stage.engine.failures.set(ADDRESS, 'RegistryUntrusted');
    await stage.desire({ camera: CAMERA });
    const { digest } = stage.engine.serve(CAMERA, { digest: `sha256:${'b'.repeat(64)}` });
    await stage.clock.advance(4_000_000);
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest });
  });

  it('and the engine is not left to ask again for what a registry does not give', async () => {
    const stage = startRelayStage();
    stage.engine.pullsFinishAtOnce = false;
    stage.relay.offerFailure = new AgentError('Stalled', 'no byte in time');
    await stage.desire({ camera: CAMERA });
    expect(stage.image('camera')).toMatchObject({ reason: 'Stalled', message: 'no byte in time' });
    expect(stage.engine.pulls).toEqual([]);
  });

  it('and a spoilt layer is the registry’s failure, which the engine finds out by itself: it keeps what an ended pull left', async () => {
    const stage = startRelayStage();
    stage.engine.pullsFinishAtOnce = false;
    stage.relay.offerFailure = new AgentError('Corrupt', 'the blob is not what its digest says');
    await stage.desire({ camera: CAMERA });
    expect(stage.phases()).toEqual({ camera: 'Pulling' });
    stage.engine.pulls[0]?.fail(new AgentError('Corrupt', 'unexpected commit digest'));
    await stage.clock.advance(1000);
    const message = 'the blob is not what its digest says';
    expect(stage.image('camera')).toMatchObject({ phase: 'Failed', reason: 'Corrupt', message });
  });

  it('and a failure of the engine speaks of the image by its real name', async () => {
    const engine = createFakeEngine();
    const { pull } = engine;
    engine.pull = async (request) => {
      await pull(request);
      const { registry, repository } = request.reference;
      throw new AgentError('DiskFull', `write ${registry}/${repository}: no space left on device`);
    };
    const stage = startRelayStage({ engine });
    await stage.desire({ camera: CAMERA });
    const message = `write ${CAMERA}: no space left on device`;
    expect(stage.image('camera')).toMatchObject({ phase: 'Failed', reason: 'DiskFull', message });
  });
});

describe('an image comes by the engine', () => {
  it.each<[string, (relay: FakeRelay) => void, string]>([
    [
      'the relay is off',
      (relay) => (relay.standing = { kind: 'off', why: 'RELAY_PORT is 0' }),
      'The relay is off: RELAY_PORT is 0.',
    ],
    [
      'the engine does not reach the relay',
      (relay) => (relay.isReached = false),
      'The engine does not reach the relay at 127.0.0.1:5010.',
    ],
    [
      'the module does not reach the registry',
      (relay) => relay.failures.set(ADDRESS, 'RegistryUnreachable'),
      `The module itself does not reach the registry: RegistryUnreachable at ${ADDRESS}`,
    ],
  ])('where %s', async (_case, set, why) => {
    const stage = startRelayStage({ set });
    await stage.desire({ camera: CAMERA });
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', transport: 'engine' });
    expect(await route(stage)).toEqual(['engine', why]);
  });

  it('where settings.transport says so, though the relay would do', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA }, { transport: 'engine' });
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', transport: 'engine' });
    expect(await route(stage)).toEqual(['engine', 'settings.transport is engine.']);
  });

  it('never where settings.transport is relay', async () => {
    const stage = startRelayStage({ set: (relay) => (relay.isReached = false) });
    await stage.desire({ camera: CAMERA }, { transport: 'relay' });
    expect(stage.image('camera')).toMatchObject({ phase: 'Failed', reason: 'Unknown' });
    expect(callsOf(stage, 'pull')).toEqual([]);
  });

  it.each<[string, (relay: FakeRelay) => unknown]>([
    [
      'and the module does not reach the registry',
      ({ failures }) => failures.set(ADDRESS, 'RegistryUnreachable'),
    ],
    ['and the engine lost its way to the relay', (relay) => (relay.isReached = false)],
  ])('never where settings.transport is relay, %s', async (_, hinder) => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA }, { transport: 'relay' });
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', transport: 'relay' });
    hinder(stage.relay);
    stage.engine.calls.length = 0;
    await stage.desire({ camera: CAMERA, gate: GATE }, { transport: 'relay' });
    await stage.clock.advance(60_000);
    expect(stage.image('gate')).toMatchObject({ phase: 'Failed' });
    expect(callsOf(stage, `pull ${GATE}`)).toEqual([]);
  });

  it('from Docker Hub, though settings.transport is relay', async () => {
    const hub = 'docker.io/library/nginx:1';
    const stage = startRelayStage();
    stage.engine.serve(hub);
    await stage.desire({ nginx: hub }, { transport: 'relay' });
    expect(stage.image('nginx')).toMatchObject({ phase: 'Pulled', transport: 'engine' });
  });

  it('in the same attempt, where the engine lost its way to the relay', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA });
    stage.relay.isReached = false;
    await stage.desire({ camera: CAMERA, gate: GATE });
    expect(stage.image('gate')).toMatchObject({ phase: 'Pulled', transport: 'engine' });
    expect(stage.image('gate')).not.toHaveProperty('attempts');
  });

  it('until the relay is reached, which is asked once a minute', async () => {
    const stage = startRelayStage({ set: (relay) => (relay.isReached = false) });
    await stage.desire({ camera: CAMERA });
    stage.relay.isReached = true;
    await stage.clock.advance(60_000);
    await stage.desire({ camera: CAMERA, gate: GATE });
    expect(stage.image('gate')).toMatchObject({ phase: 'Pulled', transport: 'relay' });
  });
});

it('an image that was there before stays, even after it was pulled again through the relay by force', async () => {
  const stage = startRelayStage();
  stage.engine.put(CAMERA);
  await stage.desire({ camera: CAMERA }, { unlisted: 'remove' });
  await stage.call('PullImages', { force: true });
  await stage.clock.advance(1000);
  expect(callsOf(stage, 'pull 127.0.0.1:5010/')).toHaveLength(1);
  await stage.desire({}, { unlisted: 'remove' });
  await stage.clock.advance(60_000);
  expect(callsOf(stage, `untag ${ADDRESS}`)).toEqual([]);
});

it('a registry without HTTPS, away from the device, is told beside the desired properties', async () => {
  const address = 'registry.plant:5000';
  const stage = startRelayStage({ set: (relay) => relay.plain.add(address) });
  stage.engine.serve(`${address}${CAMERA_ID}`);
  const plant = { address, username: 'device', password: 'one' };
  stage.engine.passwords.set(address, { device: 'one' });
  await stage.desire({ camera: 'acme/camera:1' }, {}, { registryCredentials: { plant } });
  expect(stage.hub.reported['lastDesiredStatus']).toEqual({
    code: 200,
    description: 'registryCredentials.plant: speaks plain HTTP, images and password go in clear',
  });
});

it('a refused password is asked of the registry once, and not by the engine too', async () => {
  const stage = startRelayStage();
  stage.engine.passwords.set(ADDRESS, { device: 'another' });
  await stage.desire({ camera: CAMERA });
  expect(stage.image('camera')).toMatchObject({ phase: 'Failed', reason: 'Unauthorized' });
  expect(callsOf(stage, 'login')).toEqual([]);
});

describe('before the first byte', () => {
  it('all sizes are known, and add up to what is to come', async () => {
    const stage = startRelayStage();
    stage.engine.pullsFinishAtOnce = false;
    await stage.desire({ camera: CAMERA, gate: GATE }, { maxConcurrentPulls: 1 });
    expect(stage.phases()).toEqual({ camera: 'Pulling', gate: 'Waiting Queued' });
    expect(stage.hub.reported['summary']).toMatchObject({ downloadedBytes: 0, totalBytes: 2_000_000 });
  });

  it('an image that does not fit on the disk waits, and says what it needs', async () => {
    const stage = startRelayStage();
    stage.engine.freeBytes = 502_000_000;
    await stage.desire({ camera: CAMERA });
    expect(stage.image('camera')).toMatchObject({
      phase: 'Waiting',
      reason: 'LowDisk',
      message: "This image needs about 4 MB on the engine's disk, and 500 MB (minFreeDiskMB) must stay free.",
    });
    stage.engine.freeBytes = 504_000_000;
    await stage.clock.advance(31_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });

  it('an image that broke off goes on where what is kept of it took the room', async () => {
    const stage = startRelayStage();
    const need = sizeLayers(stage, CAMERA, 1_000_000);
    const [[layerId] = ['']] = Object.entries(stage.engine.served.get(CAMERA)?.layers ?? {});
    stage.relay.keptBytes.set(`sha256:${layerId.padEnd(64, '0')}`, 600_000);
    stage.engine.freeBytes = 500_000_000 + need - 600_001;
    await stage.desire({ camera: CAMERA });
    expect(stage.image('camera')).toMatchObject({ phase: 'Waiting', reason: 'LowDisk' });
    stage.engine.freeBytes += 1;
    await stage.clock.advance(31_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });

  it('with ample room nobody asks how large layers are unpacked', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA, gate: GATE });
    expect(stage.phases()).toEqual({ camera: 'Pulled', gate: 'Pulled' });
    expect(stage.relay.sized).toEqual([]);
  });

  it('an image that fits by its true size, and not by what is usual, is pulled', async () => {
    const stage = startRelayStage();
    const need = sizeLayers(stage, CAMERA, 1_000_000);
    stage.engine.freeBytes = 500_000_000 + need;
    await stage.desire({ camera: CAMERA });
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    expect(stage.relay.sized).toHaveLength(1);
  });

  it('an image that fits by what is usual, and not by its true size, waits before its first byte', async () => {
    const stage = startRelayStage();
    const need = sizeLayers(stage, CAMERA, 90_000_000);
    stage.engine.freeBytes = 500_000_000 + 9_000_000;
    await stage.desire({ camera: CAMERA });
    expect(stage.image('camera')).toMatchObject({
      phase: 'Waiting',
      reason: 'LowDisk',
      message: "This image needs 91 MB on the engine's disk, and 500 MB (minFreeDiskMB) must stay free.",
    });
    expect(stage.relay.offered.size).toBe(0);
    expect(callsOf(stage, 'pull')).toEqual([]);
    // It is looked again at the disk, and not asked again.
    stage.engine.freeBytes = 500_000_000 + need;
    await stage.clock.advance(31_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    expect(stage.relay.sized).toHaveLength(1);
  });

  it('a registry that does not say how large layers are unpacked leaves what is usual, and says about', async () => {
    const stage = startRelayStage();
    stage.engine.freeBytes = 500_000_000 + 3_400_000;
    await stage.desire({ camera: CAMERA });
    expect(stage.relay.sized).toHaveLength(1);
    expect(stage.image('camera')['message']).toContain('about 4 MB');
    stage.engine.freeBytes = 500_000_000 + 3_500_000;
    await stage.clock.advance(31_000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });

  it.each([
    ['', 0],
    [', though the clock is set back meanwhile', -3_600_000],
  ])('what a registry does not say of one image holds no other up%s', async (_how, byMs) => {
    const stage = startRelayStage();
    const { fetchContent } = stage.relay;
    stage.relay.fetchContent = (question) =>
      question.reference.repository === 'acme/gate' ? never(question.signal) : fetchContent(question);
    await stage.desire({ camera: CAMERA, gate: { image: GATE, priority: 1 } });
    stage.clock.jump(byMs);
    await stage.clock.advance(3000);
    expect(stage.phases()).toEqual({ camera: 'Pulled', gate: 'Waiting Queued' });
  });

  it('the relay keeps what is yet to be fetched, and nothing when all is here', async () => {
    const stage = startRelayStage();
    stage.engine.pullsFinishAtOnce = false;
    await stage.desire({ camera: CAMERA });
    expect(stage.relay.kept?.size).toBe(2);
    stage.engine.pulls[0]?.finish();
    await stage.clock.advance(1000);
    stage.engine.pulls[0]?.finish();
    await stage.clock.advance(1000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    expect(stage.relay.kept?.size).toBe(0);
  });

  it('the relay is told which passwords are listed, so that it holds nothing for others', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA });
    expect(stage.relay.listed).toEqual([`${ADDRESS} device one`]);
    const plant = { address: ADDRESS, username: 'device', password: 'two', password2: 'three' };
    await stage.desire({ camera: CAMERA }, {}, { registryCredentials: { plant } });
    expect(stage.relay.listed).toEqual([`${ADDRESS} device two`, `${ADDRESS} device three`]);
  });

  it('the relay forgets an image that is here, though a listed one is never found', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA, lost: 'acme/lost:1' });
    expect(stage.phases()).toEqual({ camera: 'Pulled', lost: 'Failed NotFound' });
    expect(stage.relay.forgotten.size).toBe(2);
  });

  it('PlanImages asks how large layers are unpacked, each once, and tells what is a guess', async () => {
    const stage = startRelayStage();
    const twin = `${ADDRESS}/acme/twin:1`;
    stage.engine.serve(twin, { layers: { ...stage.engine.served.get(CAMERA)?.layers } });
    await stage.desire({});
    sizeLayers(stage, CAMERA, 7_000_000);
    const { payload } = await stage.call('PlanImages', { images: { camera: CAMERA, twin, gate: GATE } });
    expect(payload).toEqual(
      expect.objectContaining({
        images: {
          camera: expect.not.objectContaining({ diskEstimated: true }),
          twin: expect.objectContaining({ diskBytes: 8_000_000 }),
          gate: expect.objectContaining({ diskBytes: 3_500_000, diskEstimated: true }),
        },
        diskEstimated: true,
      }),
    );
    expect(stage.relay.sized).toHaveLength(2);
  });

  it('PlanImages answers in time though a registry never says how large layers are unpacked', async () => {
    const stage = startRelayStage();
    await stage.desire({});
    sizeLayers(stage, CAMERA, 7_000_000);
    stage.relay.fetchUnpackedSizes = async ({ reference, signal }) => {
      if (reference.repository === 'acme/gate') await never(signal).catch(() => undefined);
      return stage.relay.unpackedBytes;
    };
    const answer = stage.call('PlanImages', { images: { camera: CAMERA, gate: GATE } });
    await stage.clock.advance(20_000);
    expect(await answer).toMatchObject({
      status: 200,
      payload: {
        images: {
          camera: { diskBytes: 8_000_000 },
          gate: { diskBytes: 3_500_000, diskEstimated: true },
        },
        diskBytes: 11_500_000,
        diskEstimated: true,
        freeBytes: 10_000_000_000,
      },
    });
  });

  it.each([
    ['of several', { plant: { address: ADDRESS }, other: { address: 'http://typo' } }, 'acme/camera:1'],
    ['that it names in full', { plant: { address: ADDRESS, username: 'device' } }, CAMERA],
  ])(
    'PlanImages reads an entry as images are: one of a registry at fault %s is at fault',
    async (_, registryCredentials, written) => {
      const stage = startRelayStage();
      await stage.desire({ camera: written }, {}, { registryCredentials });
      expect(stage.phases()).toEqual({ camera: 'Failed UnknownRegistry' });
      const { payload } = await stage.call('PlanImages', { images: { camera: written } });
      expect(payload).toMatchObject({ images: { camera: { reason: 'UnknownRegistry' } } });
    },
  );

  it('PlanImages tells what a list would bring, and changes nothing', async () => {
    const stage = startRelayStage();
    await stage.desire({ camera: CAMERA });
    stage.engine.calls.splice(0);
    const images = { camera: CAMERA, gate: GATE, lost: 'acme/lost:1', wrong: 'Acme' };
    const { status, payload } = await stage.call('PlanImages', { images });
    expect(status).toBe(200);
    expect(payload).toMatchObject({
      images: {
        camera: { downloadBytes: 0, layers: 1, layersPresent: 1, diskBytes: 0 },
        gate: { downloadBytes: 1_000_000, layers: 1, layersPresent: 0, diskBytes: 3_500_000 },
        lost: { reason: 'NotFound', advice: expect.any(String) },
        wrong: { reason: 'InvalidImage', message: expect.stringContaining('images.wrong') },
      },
      downloadBytes: 1_000_000,
      diskBytes: 3_500_000,
      freeBytes: 10_000_000_000,
      fits: true,
    });
    expect(callsOf(stage, 'pull')).toEqual([]);
    expect(await stage.call('PlanImages')).toMatchObject({ status: 400 });
    expect(await stage.call('PlanImages', { images: { 'camera 1.4': CAMERA } })).toMatchObject({
      status: 400,
      payload: { message: expect.stringContaining('images."camera 1.4": ') },
    });
  });

  it('PlanImages takes an entry that is null for none, as desired does, whatever its name', async () => {
    const stage = startRelayStage();
    await stage.desire({});
    const images = { camera: CAMERA, gate: null, 'old gate': null };
    const { status, payload } = await stage.call('PlanImages', { images });
    expect([status, Object.keys(Object(payload).images)]).toEqual([200, ['camera']]);
    expect(await stage.call('PlanImages', { images: { gate: null } })).toMatchObject({
      status: 200,
      payload: { images: {}, downloadBytes: 0, fits: true },
    });
  });
});

describe('the budget of the link', () => {
  it('is what the settings say, and slower outside the window', async () => {
    const stage = startRelayStage();
    const pullWindow = { start: '22:00', end: '05:30', timeZone: 'UTC', outsideBytesPerSecond: 1000 };
    await stage.desire({ camera: CAMERA }, { maxBytesPerSecond: 5000, pullWindow });
    // The clock of the stage stands at noon.
    expect(stage.relay.rate).toBe(1000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    await stage.clock.advance(10 * 3_600_000 + 1000);
    expect(stage.relay.rate).toBe(5000);
    await stage.clock.advance(8 * 3_600_000);
    expect(stage.relay.rate).toBe(1000);
  });
});
