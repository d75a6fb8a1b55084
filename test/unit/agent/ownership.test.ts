import { describe, expect, it } from 'vitest';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { toDigestName } from '#test/fakes/fake-image-store';
import { createFakeSealer, createMemoryStore } from '#test/fakes/memory-store';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage, StageOptions } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const CLOUD = 'contoso.azurecr.io/acme/camera:1';
const digestOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
const OLD = digestOf('a');
const NEW = digestOf('b');
const SETTINGS = { unlisted: 'remove' };
const signal = new AbortController().signal;

const serve = (engine: FakeEngine, digest: string): object => engine.serve(CAMERA, { id: digest, digest });

const listIds = async ({ engine }: Stage): Promise<string[]> =>
  (await engine.listImages(signal)).map(({ id }) => id);

/** An agent that pulled the old camera, whose id is its digest. */
async function startWithCamera(entry: object, options: StageOptions = {}): Promise<Stage> {
  const stage = startStage(options);
  serve(stage.engine, OLD);
  stage.engine.pullsFinishAtOnce = true;
  await stage.desire({ camera: { image: 'acme/camera:1', ...entry } }, SETTINGS);
  await stage.clock.advance(5000);
  expect(stage.phases()).toEqual({ camera: 'Pulled' });
  return stage;
}

/**
 * An engine that lists as the containerd store does: by tag, the digest going with each. An image without a tag has no
 * name, and none that is hidden is listed.
 */
function createContainerdEngine(): { engine: FakeEngine; hidden: Set<string> } {
  const engine = createFakeEngine();
  const hidden = new Set<string>();
  const { listImages } = engine;
  engine.listImages = async (asked) =>
    (await listImages(asked))
      .filter(({ id }) => !hidden.has(id))
      .map((image) => ({ ...image, digests: image.tags.map((tag) => toDigestName(tag, image.id)) }));
  return { engine, hidden };
}

describe('an image whose tag moved on', () => {
  it('is removed once nobody lists it, though it went by a name of another registry for a while', async () => {
    const { engine } = createContainerdEngine();
    const stage = await startWithCamera({ tagAs: [CLOUD] }, { engine });
    serve(engine, NEW);
    await stage.call('PullImages', { images: ['camera'] });
    await stage.clock.advance(5000);
    expect(stage.image('camera')).toMatchObject({ phase: 'Pulled', digest: NEW });
    expect(await listIds(stage)).toEqual([NEW]);
  });

  it('is removed though the engine did not list it while somebody else pulled the next', async () => {
    const { engine, hidden } = createContainerdEngine();
    const stage = await startWithCamera({}, { engine });
    hidden.add(OLD);
    serve(engine, NEW);
    engine.put(CAMERA);
    // The next is being unpacked.
    await stage.clock.advance(20 * 60_000);
    hidden.clear();
    await stage.clock.advance(10 * 60_000);
    expect(await listIds(stage)).toEqual([NEW]);
  });

  it('is removed though the engine did not list it while the module pulled the next', async () => {
    const { engine, hidden } = createContainerdEngine();
    const stage = await startWithCamera({}, { engine });
    engine.pullsFinishAtOnce = false;
    serve(engine, NEW);
    await stage.call('PullImages', { images: ['camera'] });
    await stage.clock.advance(1000);
    hidden.add(OLD);
    engine.put(CAMERA);
    for (let minute = 0; minute < 100; minute += 1) {
      engine.pulls[0]?.layer('a', { kind: 'extracting', current: minute, total: 100 });
      await stage.clock.advance(60_000);
    }
    expect(engine.pulls).toHaveLength(1);
    hidden.clear();
    engine.pulls[0]?.finish();
    await stage.clock.advance(5000);
    expect(await listIds(stage)).toEqual([NEW]);
  });

  it('is forgotten within two hours where somebody else removed it', async () => {
    const store = createMemoryStore();
    const stage = await startWithCamera({}, { memory: { store, sealer: createFakeSealer() } });
    await stage.desire({ camera: 'acme/camera:1' }, { unlisted: 'keep' });
    serve(stage.engine, NEW);
    await stage.call('PullImages', { images: ['camera'] });
    await stage.clock.advance(5000);
    stage.engine.evict(OLD);
    await stage.clock.advance(2 * 60 * 60_000);
    expect(JSON.parse(store.text)).toMatchObject({ owned: [CAMERA, toDigestName(CAMERA, NEW)] });
  });
});

it('a name that a pull in vain took away and gave back is still removed once nobody lists it', async () => {
  const stage = await startWithCamera({});
  const { engine, clock, desire } = stage;
  engine.pullsFinishAtOnce = false;
  serve(engine, NEW);
  await stage.call('PullImages', { images: ['camera'] });
  await clock.advance(1000);
  engine.put(CAMERA);
  await engine.untag(CAMERA, signal);
  await clock.settle();
  await engine.tag(OLD, { registry: ADDRESS, repository: 'acme/camera', tag: '1' }, signal);
  engine.pulls[0]?.fail(new AgentError('PlatformMismatch', 'it is for another platform'));
  await clock.advance(1000);
  engine.calls.length = 0;
  await desire({}, SETTINGS);
  await clock.advance(5000);
  expect(engine.calls).toContain(`untag ${CAMERA}`);
  expect(await listIds(stage)).toEqual([]);
});

it('a further name that an image had already is somebody else’s, and stays when its entry goes', async () => {
  const engine = createFakeEngine();
  engine.serve(CLOUD, engine.serve(CAMERA));
  engine.put(CLOUD);
  engine.pullsFinishAtOnce = true;
  const { desire, clock, phases } = startStage({ engine });
  await desire({ camera: { image: CAMERA, tagAs: [CLOUD] } }, SETTINGS);
  await clock.advance(5000);
  expect(phases()).toEqual({ camera: 'Pulled' });
  await desire({}, SETTINGS);
  await clock.advance(60_000);
  const removed = engine.calls.filter((call) => call.startsWith('untag '));
  expect(removed).toContain(`untag ${CAMERA}`);
  expect(removed).not.toContain(`untag ${CLOUD}`);
});
