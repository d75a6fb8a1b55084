import { expect, it } from 'vitest';
import { listReferences, makeImage, startScene, toPhases, WAIT } from './scene.ts';

const SLOW = 150_000;

it('while the registry is away what is there stays pulled, and the rest comes when it is back', async () => {
  const { push, desire, startModule, waitForPhases, waitForReady, registry, login } = await startScene();
  await push('acme/late:1', ['late']);
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  await registry.stop();
  desire({ hello: 'hello-world', late: 'acme/late:1' });
  await waitForPhases({ hello: 'Pulled', late: 'Failed RegistryUnreachable' });
  await expect.poll(login, WAIT).toMatchObject({ login: 'Failed', reason: 'RegistryUnreachable' });
  await registry.start();
  await waitForReady();
  expect(login()).toMatchObject({ login: 'Succeeded', credential: 'password' });
});

it('a pull that the registry leaves in the middle is made again when it is back', async () => {
  const { push, desire, startModule, waitForBytes, waitForReady, registry, requests, engine } =
    await startScene();
  await push('acme/big:1', ['big'], 900_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1' });
  startModule();
  await waitForBytes('acme/big', 50_000);
  await registry.stop();
  registry.faults.bytesPerSecond = undefined;
  await registry.start();
  await waitForReady();
  expect(await listReferences(engine)).toEqual([`${registry.address}/acme/big:1`]);
  expect(requests('layers').length).toBeGreaterThan(1);
});

it.each(['kept', 'lost'] as const)(
  'edgeHub away and back with its sessions %s: what was desired meanwhile is done, and the next change too',
  async (sessions) => {
    const { push, desire, startModule, waitForReady, waitForPhases, call, edge } = await startScene();
    await push('acme/late:1', ['late']);
    desire({ hello: 'hello-world' });
    const module = startModule();
    await waitForReady();
    await edge.stopHub();
    desire({ hello: 'hello-world', late: 'acme/late:1' });
    await edge.startHub({ sessions });
    await waitForReady();
    edge.patchDesired({ images: { hello: null } });
    await waitForPhases({ late: 'Pulled' });
    await waitForReady();
    expect(await call('ping')).toMatchObject({ status: 200 });
    expect(module.ending).toBeUndefined();
  },
);

it('pulls that are under way go on without edgeHub, and are reported when it is back', async () => {
  const { push, desire, startModule, waitForBytes, waitForReady, registry, requests, edge, engine } =
    await startScene();
  await push('acme/big:1', ['big'], 900_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1' });
  startModule();
  await waitForBytes('acme/big', 50_000);
  await edge.stopHub();
  registry.faults.bytesPerSecond = undefined;
  await expect.poll(() => listReferences(engine), WAIT).toEqual([`${registry.address}/acme/big:1`]);
  await edge.startHub({ sessions: 'kept' });
  await waitForReady();
  expect(requests('layers')).toHaveLength(1);
});

it('an edgeHub that is not there at the start is waited for', async () => {
  const { desire, startModule, waitForReady, edge } = await startScene();
  await edge.stopHub();
  desire({ hello: 'hello-world' });
  const module = startModule();
  await expect.poll(() => module.output, WAIT).toContain('not connected to edgeHub');
  await edge.startHub();
  await waitForReady();
  expect(module.ending).toBeUndefined();
});

it('an empty twin without $version removes nothing, whatever is unlisted', async () => {
  const { desire, startModule, waitForReady, edge, engine, push, registry, call } = await startScene();
  await push('acme/next:1', ['next']);
  desire({ hello: 'hello-world' }, { unlisted: 'remove' });
  const module = startModule();
  await waitForReady();
  const { $version: _version, ...reported } = edge.reported();
  edge.faults.emptyTwin = true;
  edge.cutConnections();
  await expect.poll(() => module.output, WAIT).toContain('edgeHub knows no desired properties');
  await expect
    .poll(() => edge.subscriptions.has('$iothub/methods/POST/#') && edge.connected, WAIT)
    .toBe(true);
  // The containerd store counts what it unpacked a moment after the pull.
  const hello = { ...Object(reported['images']).hello, sizeBytes: expect.any(Number) };
  expect((await call('GetStatus')).payload).toMatchObject({ ...reported, images: { hello } });
  expect(await listReferences(engine)).toEqual([`${registry.address}/hello-world:latest`]);

  edge.faults.emptyTwin = false;
  desire({ next: 'acme/next:1' }, { unlisted: 'remove' });
  await waitForReady();
  await expect.poll(() => listReferences(engine), WAIT).toEqual([`${registry.address}/acme/next:1`]);
});

it('an engine that is stopped in mid-pull and started again is told of, and then has everything', async () => {
  const scene = await startScene();
  const { push, desire, startModule, waitForBytes, waitForPhases, waitForReady, registry, ownEngine } = scene;
  await push('acme/big:1', ['big'], 900_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: 'hello-world' });
  const module = startModule();
  await waitForBytes('acme/big', 50_000);
  await ownEngine?.stop();
  await waitForPhases({ big: 'Failed EngineUnavailable', hello: 'Failed EngineUnavailable' });
  expect(String(scene.image('big')['message'])).toMatch(/socket/);
  registry.faults.bytesPerSecond = undefined;
  await ownEngine?.start();
  await waitForReady();
  expect(module.ending).toBeUndefined();
});

it('a half-open registry takes all places of the engine, and another registry’s image gets through all the same', async () => {
  const { push, desire, startModule, waitForBytes, waitForReady, startOpenRegistry, ...scene } =
    await startScene();
  const { registry, edge, plant, image } = scene;
  const open = await startOpenRegistry();
  await open.push(await makeImage(['open']), 'acme/open', '1');
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await push(`acme/${name}:1`, ['shared', name], 400_000);
  const stuck = names.map((name) => [name, { image: `acme/${name}:1`, registry: 'plant' }]);
  const settings = { stallTimeoutSeconds: 3, maxConcurrentPulls: 3 };
  const registries = { plant, open: { address: open.address } };

  registry.faults.bytesPerSecond = SLOW;
  desire(Object.fromEntries(stuck), settings, registries);
  startModule();
  await waitForBytes('acme/.', 50_000);
  registry.faults.hang = true;
  const open1 = `${open.address}/acme/open:1`;
  desire({ ...Object.fromEntries(stuck), open: { image: open1, priority: -1 } }, settings, registries);
  await edge.waitForReported(() => image('open')['phase'] === 'Pulled', WAIT.timeout);
  await edge.waitForReported(
    (reported) => Object.values(toPhases(reported)).includes('Failed Stalled'),
    30_000,
  );

  registry.faults.hang = false;
  registry.faults.bytesPerSecond = undefined;
  await waitForReady();
});
