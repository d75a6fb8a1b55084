import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startModule as startProgram } from '#lab/module';
import { listReferences, startScene, toObject, WAIT } from './scene.ts';

const SLOW = 150_000;

/** A folder for the module to keep things in; the search for secrets looks into it. */
async function makeStorage(): Promise<{ storageFolder: string }> {
  const storageFolder = await mkdtemp(join(tmpdir(), 'storage-'));
  onTestFinished(() => rm(storageFolder, { recursive: true }));
  return { storageFolder };
}

it('a module that is killed in mid-pull and started again finishes, and fetches nothing twice that was done', async () => {
  const { push, desire, startModule, waitForBytes, waitForReady, registry, requests, edge, image } =
    await startScene();
  await push('acme/big:1', ['big'], 900_000);
  await push('acme/done:1', ['done']);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', done: { image: 'acme/done:1', priority: 1 } });
  const first = startModule();
  await edge.waitForReported(() => image('done')['phase'] === 'Pulled');
  await waitForBytes('acme/big', 50_000);
  const { pulledAt } = image('done');
  await first.kill();
  registry.faults.bytesPerSecond = undefined;
  startModule();
  await waitForReady();
  expect(requests('layers', 'acme/done')).toHaveLength(1);
  expect(image('done')['pulledAt']).toBe(pulledAt);
});

it('SIGTERM in mid-pull ends the module within 10 s, with exit code 0 and a last report', async () => {
  const { push, desire, startModule, waitForBytes, registry, edge, image } = await startScene();
  await push('acme/big:1', ['big'], 900_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1', hello: { image: 'hello-world', priority: 1 } });
  const module = startModule();
  await waitForBytes('acme/big', 50_000);
  await edge.waitForReported(
    () => image('big')['phase'] === 'Pulling' && image('hello')['phase'] === 'Pulled',
  );
  const startedMs = performance.now();
  expect(await module.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(image('big')).toMatchObject({ phase: 'Waiting', reason: 'Queued' });
  expect(image('hello')).toMatchObject({ phase: 'Pulled' });
  expect(edge.reported()['summary']).toMatchObject({ ready: false, pulling: 0, pulled: 1 });
});

it('SIGTERM ends the module within 10 s while registry, engine and edgeHub all hang', async () => {
  const scene = await startScene();
  const { push, desire, startModule, waitForBytes, registry, edge, ownEngine } = scene;
  await push('acme/big:1', ['big'], 900_000);
  registry.faults.bytesPerSecond = SLOW;
  desire({ big: 'acme/big:1' });
  const module = startModule();
  await waitForBytes('acme/big', 50_000);
  registry.faults.hang = true;
  edge.faults.blackHole = true;
  ownEngine?.pause();
  const startedMs = performance.now();
  try {
    expect(await module.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  } finally {
    ownEngine?.resume();
    edge.faults.blackHole = false;
  }
});

it('a folder to keep things in lets a killed module know what it pulled, and remove what is listed no more', async () => {
  const environment = await makeStorage();
  const { push, desire, startModule, waitForReady, engine, registry } = await startScene({ environment });
  await push('acme/a:1', ['a']);
  await push('acme/b:1', ['b']);
  desire({ a: 'acme/a:1', b: 'acme/b:1' }, { unlisted: 'remove' });
  const first = startModule();
  await waitForReady();
  const owned = async (): Promise<unknown> =>
    toObject(JSON.parse(await readFile(join(environment.storageFolder, 'memory.json'), 'utf8')))['owned'];
  await expect.poll(owned, WAIT).toContain(`${registry.address}/acme/b:1`);
  await first.kill();
  desire({ a: 'acme/a:1' }, { unlisted: 'remove' });
  startModule();
  await waitForReady();
  await expect.poll(() => listReferences(engine), WAIT).toEqual([`${registry.address}/acme/a:1`]);
});

it('a folder to keep things in lets a module that starts without edgeHub pull with the passwords it had', async () => {
  const environment = await makeStorage();
  const { desire, startModule, waitForReady, engine, registry, edge, plant } = await startScene({
    environment,
  });
  desire({ hello: 'hello-world' });
  const first = startModule();
  await waitForReady();
  await first.stop();
  await edge.stopHub();
  await engine.remove(`${plant.address}/hello-world:latest`);
  const asked = registry.tokenRequests.length;
  startModule();
  await expect.poll(() => listReferences(engine), WAIT).toEqual([`${plant.address}/hello-world:latest`]);
  expect(registry.tokenRequests.slice(asked).map(({ ok }) => ok)).not.toContain(false);
  await edge.startHub();
  await waitForReady();
  expect(toObject(edge.reported()['lastDesiredStatus'])).toEqual({ code: 200, description: '' });
});

it.each([
  [{ HTTP_PORT: 'ninety', IOTEDGE_DEVICEID: '' }, ['HTTP_PORT', 'IOTEDGE_DEVICEID']],
  [{ DOCKER_HOST: 'docker.sock', LOG_LEVEL: 'loud' }, ['DOCKER_HOST', 'LOG_LEVEL']],
  [{ DOCKER_HOST: 'tcp://engine:99999' }, ['DOCKER_HOST']],
  [{ EdgeHubConnectionString: 'HostName=h;SharedAccessKey=c2VjcmV0LWtleQ==' }, ['EdgeHubConnectionString']],
])(
  'an environment that does not fit ends the module with exit code 2 and one line: %o',
  async (wrong, names) => {
    const environment = {
      IOTEDGE_WORKLOADURI: 'unix:///var/run/iotedge/workload.sock',
      IOTEDGE_DEVICEID: 'device',
      IOTEDGE_MODULEID: 'puller',
      IOTEDGE_MODULEGENERATIONID: '1',
      IOTEDGE_IOTHUBHOSTNAME: 'lab.azure-devices.net',
      IOTEDGE_AUTHSCHEME: 'sasToken',
      ...wrong,
    };
    const module = startProgram({ programPath: 'dist/main.js', environment });
    await expect.poll(() => module.ending, WAIT).toEqual({ code: 2, signal: null });
    expect(module.output).toMatch(/^<0> .* \[FTL\] - .*\n$/);
    for (const name of names) expect(module.output).toContain(name);
    expect(module.output).not.toContain('c2VjcmV0LWtleQ==');
  },
);

it('a fault of its own at the start ends the module with exit code 1, and says so', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'process-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const fault = join(dir, 'fault.cjs');
  await writeFile(fault, "require('node:http').createServer = () => { throw new Error('no server'); };");
  const environment = {
    EdgeHubConnectionString: 'HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=c2VjcmV0LWtleQ==',
    NODE_OPTIONS: `--require ${fault}`,
  };
  const module = startProgram({ programPath: 'dist/main.js', environment });
  await expect.poll(() => module.ending, WAIT).toEqual({ code: 1, signal: null });
  expect(module.output).toMatch(/\[FTL\] - unexpected error; the module ends .*no server/);
});
