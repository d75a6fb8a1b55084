import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';

const raw = (text: string): { raw: Buffer } => ({ raw: Buffer.from(text) });

it('every call is answered once, whatever it is given', async () => {
  const { desire, startModule, waitForReady, call } = await startScene();
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  const rows: readonly (readonly [string, unknown, { raw?: Buffer } | undefined, number])[] = [
    ['ping', undefined, undefined, 200],
    ['ping', undefined, raw(''), 200],
    ['ping', undefined, raw('null'), 200],
    ['GetStatus', undefined, raw(''), 200],
    ['GetStatus', null, undefined, 200],
    ['GetStatus', { images: ['hello'], schemaVersion: '1.0' }, undefined, 200],
    ['GetStatus', { images: null, unheard: 1 }, undefined, 200],
    ['GetStatus', undefined, raw('{not JSON'), 400],
    ['GetStatus', undefined, raw('\u0000'), 400],
    ['GetStatus', [], undefined, 400],
    ['GetStatus', 7, undefined, 400],
    ['GetStatus', { images: 'hello' }, undefined, 400],
    ['GetStatus', { images: ['nobody'] }, undefined, 404],
    ['GetStatus', { after: 7 }, undefined, 400],
    ['GetStatus', { schemaVersion: '2.0' }, undefined, 400],
    ['PullImages', null, undefined, 202],
    ['PullImages', { force: 'yes' }, undefined, 400],
    ['PullImages', { images: ['hello', 'nobody'] }, undefined, 404],
    ['CancelPulls', undefined, raw(''), 200],
    ['CancelPulls', { images: ['nobody'] }, undefined, 404],
    ['CancelPulls', { images: { hello: true } }, undefined, 400],
    ['GetTaskStatus', undefined, undefined, 400],
    ['GetTaskStatus', { correlationId: 'none' }, undefined, 404],
    ['CheckRegistry', {}, undefined, 200],
    ['CheckRegistry', { registry: 'nobody' }, undefined, 404],
    ['CheckRegistry', { tag: '1' }, undefined, 400],
    ['PlanImages', {}, undefined, 400],
    ['RemoveImages', {}, undefined, 400],
    ['RemoveImages', { images: ['hello'] }, undefined, 409],
    ['RemoveImages', { images: ['nobody/nothing:1'] }, undefined, 200],
    ['Unheard', {}, undefined, 504],
  ];
  const answers = [];
  for (const [name, payload, options] of rows) {
    const timeoutMs = name === 'Unheard' ? 500 : 10_000;
    const answer = await call(name, payload, { ...options, timeoutMs });
    answers.push([name, payload, options, answer.status]);
    // What is no JSON never comes to the module: the SDK refuses it in words of its own.
    if (answer.status >= 400 && answer.status < 504 && options?.raw === undefined) {
      expect(answer.payload).toEqual({ reason: expect.any(String), message: expect.any(String) });
    }
  }
  expect(answers).toEqual(rows);
  expect(await call('ping')).toEqual({ status: 200, payload: {} });
});

it('what does not fit is named by its path, and a failure comes with advice', async () => {
  const { desire, startModule, waitForPhases, call } = await startScene();
  desire({ missing: 'acme/none:1' });
  startModule();
  await waitForPhases({ missing: 'Failed NotFound' });
  const bad = await call('PullImages', { images: ['missing', 7] });
  expect(bad.payload).toMatchObject({ message: expect.stringContaining('images.1') as string });
  const { payload } = await call('GetStatus');
  expect(payload).toMatchObject({
    images: { missing: { reason: 'NotFound', advice: expect.stringContaining('synced') as string } },
  });
});

it('GetStatus answers the images that are asked for, and those after a name', async () => {
  const { desire, startModule, waitForReady, call, edge } = await startScene();
  desire({ a: 'hello-world', b: 'hello-world', c: 'hello-world' });
  startModule();
  await waitForReady();
  const names = async (payload: object): Promise<string[]> =>
    Object.keys(toObject(toObject((await call('GetStatus', payload)).payload)['images']));
  expect(await names({})).toEqual(['a', 'b', 'c']);
  expect(await names({ images: ['c', 'a'] })).toEqual(['a', 'c']);
  expect(await names({ after: 'a' })).toEqual(['b', 'c']);
  expect(await names({ after: 'c' })).toEqual([]);
  const { $version: _version, ...reported } = edge.reported();
  // It says how images come, too.
  expect((await call('GetStatus')).payload).toMatchObject(reported);
});

it('a cancelled pull stays cancelled while others go on, and is pulled again by PullImages', async () => {
  const { push, desire, startModule, waitForBytes, waitForPhases, waitForReady, ...scene } =
    await startScene();
  const { call, image, registry, waitForTask, edge } = scene;
  await push('acme/big:1', ['big'], 900_000);
  await push('acme/late:1', ['late']);
  registry.faults.bytesPerSecond = 150_000;
  desire({ big: 'acme/big:1' });
  startModule();
  await waitForBytes('acme/big', 50_000);
  expect(await call('CancelPulls', { images: ['big'] })).toEqual({
    status: 200,
    payload: { cancelled: ['big'] },
  });
  await waitForPhases({ big: 'Failed Cancelled' });
  expect(image('big')).not.toHaveProperty('retryAt');
  expect(await call('CancelPulls')).toEqual({ status: 200, payload: { cancelled: [] } });
  registry.faults.bytesPerSecond = undefined;
  const task = await call('PullImages', { images: ['big'] });
  expect(await waitForTask(task)).toEqual({ status: 'Completed', images: { big: 'Pulled' } });
  await waitForReady();

  // A change of the desired properties ends a cancellation too.
  registry.faults.hang = true;
  desire({ big: 'acme/big:1', late: 'acme/late:1' });
  await edge.waitForReported(() => ['Pulling', 'Waiting'].includes(String(image('late')['phase'])));
  expect((await call('CancelPulls')).payload).toEqual({ cancelled: ['late'] });
  await waitForPhases({ big: 'Pulled', late: 'Failed Cancelled' });
  registry.faults.hang = false;
  desire({ big: 'acme/big:1', late: { image: 'acme/late:1', priority: 1 } });
  await waitForReady();
});

it('a task for an image that cannot be pulled ends as Failed', async () => {
  const { desire, startModule, waitForPhases, waitForTask, call } = await startScene();
  // The next attempt comes after the task, and not while it is asked about.
  const settings = { retryInitialSeconds: 300, retryMaxSeconds: 300 };
  desire({ hello: 'hello-world', missing: 'acme/none:1', wrong: 'Not/A/Reference' }, settings);
  startModule();
  await waitForPhases({ hello: 'Pulled', missing: 'Failed NotFound', wrong: 'Failed InvalidImage' });
  const answer = await call('PullImages');
  expect(answer).toMatchObject({ status: 202, payload: { images: ['hello', 'missing', 'wrong'] } });
  expect(await waitForTask(answer)).toEqual({
    status: 'Failed',
    images: { hello: 'Pulled', missing: 'Failed', wrong: 'Failed' },
  });
});

it('force pulls what is there and would not be asked for', async () => {
  const { push, desire, startModule, waitForReady, waitForTask, call, image, edge } = await startScene();
  const { digest: old } = await push('acme/app:1', ['old']);
  desire({ app: { image: 'acme/app:1', pullPolicy: 'if-not-present' } });
  startModule();
  await waitForReady();
  const { digest } = await push('acme/app:1', ['new']);
  await waitForTask(await call('PullImages'));
  expect(image('app')['digest']).toBe(old);
  const task = await waitForTask(await call('PullImages', { force: true }));
  expect(task).toEqual({ status: 'Completed', images: { app: 'Pulled' } });
  await edge.waitForReported(() => image('app')['digest'] === digest);
});

it('PullImages is answered with 503 while the engine is away', async () => {
  const { desire, startModule, waitForReady, edge, ownEngine, image, call } = await startScene();
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  await ownEngine?.stop();
  await edge.waitForReported(() => image('hello')['reason'] === 'EngineUnavailable', 20_000);
  expect(await call('PullImages')).toMatchObject({ status: 503, payload: { reason: 'EngineUnavailable' } });
  expect(await call('GetStatus')).toMatchObject({ status: 200, payload: { summary: { failed: 1 } } });
  await ownEngine?.start();
  await waitForReady();
});
