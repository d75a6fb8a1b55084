import { describe, expect, it } from 'vitest';
import { AgentError } from '#core/reason';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { createFakeRelay } from '#test/fakes/fake-relay';
import { ADDRESS, startStage } from './stage.ts';

const CAMERA = `${ADDRESS}/acme/camera:1`;
const NEWER = `${ADDRESS}/acme/camera:2`;

/** An agent whose engine has no `camera`, which its registry has not either, while a question about that is under way. */
async function startAsking() {
  const engine = createFakeEngine();
  const relay = createFakeRelay(engine);
  const stage = startStage({ engine, relay: () => relay });
  engine.pullsFinishAtOnce = true;
  await stage.desire({ camera: CAMERA });
  expect(stage.phases()).toEqual({ camera: 'Failed NotFound' });
  const { promise, resolve } = Promise.withResolvers<AgentError | undefined>();
  const { fetchManifest } = relay;
  relay.fetchManifest = async (...question) => {
    relay.fetchManifest = fetchManifest;
    const error = await promise;
    if (error !== undefined) throw error;
    return fetchManifest(...question);
  };
  await stage.clock.advance(15_000);
  return { engine, stage, answer: resolve };
}

describe('an image that was cancelled stays so until it is asked for', () => {
  it.each([
    ['finds it', undefined],
    ['comes to nothing', new AgentError('RegistryUnreachable', 'no answer within 30 s')],
  ])('though a question at the registry that was under way %s', async (_, error) => {
    const { engine, stage, answer } = await startAsking();
    engine.serve(CAMERA);
    const { payload } = await stage.call('CancelPulls', { images: ['camera'] });
    expect(payload).toEqual({ cancelled: ['camera'] });
    answer(error);
    await stage.clock.advance(60_000);
    expect(stage.phases()).toEqual({ camera: 'Failed Cancelled' });
    await stage.call('PullImages', { images: ['camera'] });
    await stage.clock.advance(5000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
  });

  it('though it was being asked what it holds, and the registry does not answer', async () => {
    const engine = createFakeEngine();
    const relay = createFakeRelay(engine);
    const stage = startStage({ engine, relay: () => relay });
    engine.serve(CAMERA);
    engine.pullsFinishAtOnce = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const { fetchContent } = relay;
    relay.fetchContent = async () => {
      relay.fetchContent = fetchContent;
      await promise;
      throw new AgentError('RegistryUnreachable', 'no answer within 30 s');
    };
    await stage.desire({ camera: CAMERA });
    await stage.call('CancelPulls');
    resolve();
    await stage.clock.advance(60_000);
    expect(stage.phases()).toEqual({ camera: 'Failed Cancelled' });
  });

  it('though its pull failed by itself in that moment', async () => {
    const { engine, desire, call, clock, phases } = startStage();
    engine.serve(CAMERA);
    await desire({ camera: CAMERA });
    const answer = call('CancelPulls', { images: ['camera'] });
    engine.pulls[0]?.fail(new AgentError('RegistryUnreachable', 'gone'));
    expect((await answer).payload).toEqual({ cancelled: ['camera'] });
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Failed Cancelled' });
  });

  it('and an entry at fault is none', async () => {
    const { desire, call } = startStage();
    await desire({ camera: CAMERA });
    await desire({ camera: { image: CAMERA, priority: 1000 } });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: [] });
  });
});

it('an image that was cancelled while its tagging failed is not tagged any more', async () => {
  const engine = createFakeEngine();
  engine.serve(CAMERA);
  engine.pullsFinishAtOnce = true;
  const { desire, call, clock, phases } = startStage({ engine });
  let tags = 0;
  engine.tag = async () => {
    tags += 1;
    throw new AgentError('Unknown', 'read-only file system');
  };
  await desire({ camera: { image: CAMERA, tagAs: ['contoso.azurecr.io/acme/camera:1'] } });
  await clock.advance(5000);
  expect(phases()).toEqual({ camera: 'Failed Unknown' });
  const before = tags;
  expect((await call('CancelPulls')).payload).toEqual({ cancelled: ['camera'] });
  await clock.advance(60_000);
  expect(tags).toBe(before);
  expect(phases()).toEqual({ camera: 'Failed Cancelled' });
});

describe('of an image that is here, while the engine is slow to answer after the last change', () => {
  /** An agent whose `camera` is here, in an engine whose listings take ten seconds from now on. */
  async function startSlow() {
    const engine = createFakeEngine();
    engine.serve(CAMERA);
    engine.serve(NEWER);
    engine.pullsFinishAtOnce = true;
    const stage = startStage({ engine });
    await stage.desire({ camera: { image: CAMERA, pullRequest: 1 } });
    await stage.clock.advance(5000);
    expect(stage.phases()).toEqual({ camera: 'Pulled' });
    const { listImages } = engine;
    engine.listImages = async (signal) => {
      await stage.clock.sleep(10_000, signal);
      return listImages(signal);
    };
    engine.put('somebody.example/elses:1');
    await stage.clock.advance(1000);
    return { ...stage, pulls: engine.pulls.length };
  }

  it.each([
    ['another image under its name', NEWER, 'Failed Cancelled'],
    ['the image itself once more', { image: CAMERA, pullRequest: 2 }, 'Pulled'],
  ])('%s is cancelled, and not pulled', async (_, entry, phase) => {
    const { engine, desire, call, clock, phases, pulls } = await startSlow();
    await desire({ camera: entry });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: ['camera'] });
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: phase });
    expect(engine.pulls).toHaveLength(pulls);
  });

  it('one that was demanded is cancelled, and not pulled', async () => {
    const { engine, call, clock, phases, pulls } = await startSlow();
    const { payload } = await call('PullImages', { force: true });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: ['camera'] });
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
    expect(engine.pulls).toHaveLength(pulls);
    expect(await call('GetTaskStatus', payload)).toMatchObject({ payload: { status: 'Failed' } });
  });

  it('one that was cancelled, and is desired anew, is cancelled once more', async () => {
    const { engine, desire, call, clock, phases, pulls } = await startSlow();
    await desire({ camera: NEWER });
    await call('CancelPulls');
    await clock.advance(15_000);
    expect(phases()).toEqual({ camera: 'Failed Cancelled' });
    engine.put('somebody.example/another:1');
    await clock.advance(1000);
    await desire({ camera: { image: NEWER, priority: 1 } });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: ['camera'] });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: [] });
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Failed Cancelled' });
    expect(engine.pulls).toHaveLength(pulls);
  });

  it('the same image is none, whatever else is changed', async () => {
    const { desire, call, clock, phases } = await startSlow();
    await desire({ camera: { image: CAMERA, pullRequest: 1, priority: 1 } });
    expect((await call('CancelPulls')).payload).toEqual({ cancelled: [] });
    await clock.advance(60_000);
    expect(phases()).toEqual({ camera: 'Pulled' });
  });
});
