import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';

const SLOW = 150_000;

it('answers every method once, whatever is asked', async () => {
  const { desire, startModule, waitForReady, call } = await startScene();
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  const raw = (text: string): { raw: Buffer } => ({ raw: Buffer.from(text) });
  const rows: readonly (readonly [string, unknown, { raw?: Buffer } | undefined, number])[] = [
    ['ping', undefined, undefined, 200],
    ['ping', undefined, raw(''), 200],
    ['ping', undefined, raw('null'), 200],
    ['GetStatus', undefined, raw(''), 200],
    ['GetStatus', { images: ['hello'], schemaVersion: '1.0' }, undefined, 200],
    ['GetStatus', undefined, raw('{not JSON'), 400],
    ['GetStatus', [], undefined, 400],
    ['GetStatus', { images: 'hello' }, undefined, 400],
    ['GetStatus', { images: ['nobody'] }, undefined, 404],
    ['GetStatus', { schemaVersion: '2.0' }, undefined, 400],
    ['PullImages', { force: 'yes' }, undefined, 400],
    ['PullImages', { images: ['nobody'] }, undefined, 404],
    ['CancelPulls', { images: ['nobody'] }, undefined, 404],
    ['GetTaskStatus', {}, undefined, 400],
    ['GetTaskStatus', { correlationId: 'none' }, undefined, 404],
    ['CheckRegistry', {}, undefined, 501],
    ['PlanImages', {}, undefined, 501],
    ['RemoveImages', {}, undefined, 501],
    ['Unheard', {}, undefined, 504],
  ];
  for (const [name, payload, options, expected] of rows) {
    const { status } = await call(name, payload, {
      ...options,
      timeoutMs: name === 'Unheard' ? 500 : 10_000,
    });
    expect([name, payload, options?.raw?.toString(), status]).toEqual([
      name,
      payload,
      options?.raw?.toString(),
      expected,
    ]);
  }
});

it('names the path of what does not fit, and says what to do about a failure', async () => {
  const { desire, startModule, waitForPhases, call } = await startScene();
  desire({ missing: 'acme/none:1' });
  startModule();
  await waitForPhases({ missing: 'Failed NotFound' });
  const bad = await call('PullImages', { images: [7] });
  expect(bad.payload).toMatchObject({ message: expect.stringContaining('images') as string });
  const { payload } = await call('GetStatus');
  expect(payload).toMatchObject({
    images: { missing: { reason: 'NotFound', advice: expect.stringContaining('synced') as string } },
  });
});

it('says 503 for PullImages while the engine is away', async () => {
  const { desire, startModule, waitForReady, edge, ownEngine, image, call } = await startScene();
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  await ownEngine?.stop();
  await edge.waitForReported(() => image('hello')['reason'] === 'EngineUnavailable', 20_000);
  const { status, payload } = await call('PullImages');
  expect({ status, payload }).toMatchObject({ status: 503, payload: { reason: 'EngineUnavailable' } });
  await ownEngine?.start();
  await waitForReady(30_000);
});

it('cancels by method, stays cancelled, and pulls again by method', async () => {
  const { desire, startModule, waitForPhases, waitForReady, push, registry, edge, call } = await startScene();
  await push('acme/big:1', ['x'], 2_000_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: 'hello-world' });
  startModule();
  await edge.waitForReported(
    () => Number(toObject(toObject(edge.reported()['images'])['big'])['downloadedBytes']) > 0,
  );
  expect(await call('CancelPulls', { images: ['big'] })).toEqual({
    status: 200,
    payload: { cancelled: ['big'] },
  });
  await waitForPhases({ big: 'Failed Cancelled', hello: 'Pulled' });
  registry.faults.bytesPerSecond = undefined;
  const { status } = await call('PullImages', { images: ['big'] });
  expect(status).toBe(202);
  await waitForReady();
});
