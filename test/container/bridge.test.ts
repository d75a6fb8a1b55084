import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { copyImage } from '#lab/container/build';
import { startContainer } from '#lab/container/container';
import type { Container } from '#lab/container/container';
import { askFrom, openDoor } from '#lab/engine/doors';
import type { Door } from '#lab/engine/doors';
import { callEngineJson } from '#lab/engine/engine-api';
import { startEngine } from '#lab/engine/engine';
import type { Engine } from '#lab/engine/engine';
import { SITE_ADDRESS } from '#lab/namespace';
import { startContainerScene } from './scene.ts';
import type { ContainerChanges, ContainerScene } from './scene.ts';
import { listReferences, toObject, WAIT } from '../e2e/scene.ts';
import type { Json } from '../e2e/scene.ts';

/** As edgelet calls the network that it makes for modules. */
const NETWORK = 'azure-iot-edge';
const IMAGE = 'puller:amd64';
const LAYER_BYTES = 300_000;

/** The engine of a device: the network that it has is the device's. */
let device: Engine;
const endings: (() => Promise<void>)[] = [];
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'bridge-'));
  endings.push(() => rm(dir, { recursive: true, force: true }));
  device = await startEngine({ dir, hasNetwork: true });
  endings.push(() => device.stop());
  await copyImage(inject('built').dockerHost, device.dockerHost, IMAGE);
  const body = { Name: NETWORK, Driver: 'bridge', CheckDuplicate: true };
  await callEngineJson(device.dockerHost, { method: 'POST', path: '/networks/create', body });
});
afterAll(async () => {
  for (const end of endings.toReversed()) await end();
});

interface BridgeScene extends ContainerScene {
  /** The registry's port on the device. */
  readonly door: Door;
  /** Starts the module, and waits until two images are there. */
  pullAll(changes?: ContainerChanges): Promise<Container>;
  /** `transport` of both images. */
  transports(): unknown[];
  /** What `GetStatus` says of the registry. */
  route(): Promise<Json>;
  check(): Promise<Json>;
}

/** A device whose edgeHub is published on all its addresses, and its registry on one or all. */
async function startBridgeScene(registryHost: '0.0.0.0' | '127.0.0.1' = '0.0.0.0'): Promise<BridgeScene> {
  const scene = await startContainerScene('amd64', { dockerHost: device.dockerHost, network: NETWORK });
  const open = async (host: string, address = ''): Promise<Door> => {
    const door = await openDoor({ pid: device.pid, host, port: Number(address.split(':')[1]) });
    onTestFinished(() => door.close());
    return door;
  };
  const gateway = scene.edge.environment['IOTEDGE_GATEWAYHOSTNAME'];
  await open('0.0.0.0', gateway);
  const door = await open(registryHost, scene.registry.address);
  await scene.push('acme/app:1', ['app'], LAYER_BYTES);
  return Object.assign(scene, {
    door,
    async pullAll(changes: ContainerChanges = {}) {
      scene.desire({ app: 'acme/app:1', hello: 'hello-world' });
      const container = await scene.startContainer({
        ...changes,
        environment: {
          IOTEDGE_GATEWAYHOSTNAME: gateway?.replace('localhost', 'host.docker.internal') ?? '',
          ...changes.environment,
        },
      });
      await scene.waitForReady(60_000);
      return container;
    },
    transports: () => ['app', 'hello'].map((name) => scene.image(name)['transport']),
    async route() {
      const { payload } = await scene.call('GetStatus');
      const { transport, transportReason } = toObject(toObject(toObject(payload)['registries'])['plant']);
      return { transport, transportReason };
    },
    async check() {
      const payload = { registry: 'plant', repository: 'acme/app', tag: '1' };
      const answer = await scene.call('CheckRegistry', payload, { timeoutMs: 25_000 });
      return toObject(toObject(toObject(answer.payload)['registries'])['plant']);
    },
  });
}

/** `step` or `step password`, with what became of it. */
const toOutcomes = (steps: unknown): string[] =>
  (steps as Record<string, string | undefined>[]).map(({ step, credential, result, reason }) =>
    [step, credential, result, reason].filter((part) => part !== undefined).join(' '),
  );

/** Where somebody listens at a port in the network of a process, in the kernel's words. */
async function listListeners(pid: number, port: number): Promise<string[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  const end = port.toString(16).toUpperCase().padStart(4, '0');
  return tables
    .join('\n')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local = '', , state]) => (state === '0A' && local.endsWith(`:${end}`) ? [local] : []));
}

const LOOPBACK_5010 = '0100007F:1392';

test('in a bridge network the module pulls through the relay by the createOptions of the deployment template', async () => {
  const scene = await startBridgeScene();
  const { pullAll, transports, route, check, registry, requests, door, engine } = scene;
  const container = await pullAll();
  console.log('createOptions as run:', JSON.stringify(container.createOptions));
  expect(transports()).toEqual(['relay', 'relay']);
  expect(await route()).toEqual({
    transport: 'relay',
    transportReason: 'The module reaches the registry, and the engine reaches the relay.',
  });

  const { addresses } = await container.state();
  const address = addresses[NETWORK] ?? '';
  expect(address).toMatch(/^172\./);
  expect(requests('layers', 'acme/app')).toHaveLength(1);
  expect(new Set(registry.requests.map(({ host }) => host))).toEqual(new Set([registry.address]));
  expect(door.bytesTo.get(address)).toBeGreaterThan(LAYER_BYTES);
  expect(door.bytesTo.get('127.0.0.1')).toBeLessThan(LAYER_BYTES);
  expect(await listReferences(engine)).toEqual(
    [`${registry.address}/acme/app:1`, `${registry.address}/hello-world:latest`, IMAGE].toSorted(),
  );
  const { digests } = (await engine.inspect(`${registry.address}/acme/app:1`)) ?? {};
  expect(digests).toEqual([`${registry.address}/acme/app@${String(scene.image('app')['digest'])}`]);

  const checked = await check();
  expect(checked['ok']).toBe(true);
  expect(toOutcomes(checked['relay'])).toEqual(['relay ok', 'reach ok', 'login password ok', 'manifest ok']);
});

test('nobody but the host itself gets a word out of the relay in a bridge network', async () => {
  const { pullAll } = await startBridgeScene();
  const container = await pullAll();
  const { pid, addresses } = await container.state();
  const address = addresses[NETWORK] ?? '';
  const neighbour = await startContainer({
    dockerHost: device.dockerHost,
    image: IMAGE,
    createOptions: {
      Entrypoint: ['/nodejs/bin/node', '-e', 'setInterval(() => {}, 60_000)'],
      HostConfig: {},
    },
    environment: {},
    socketPath: '',
    network: NETWORK,
  });
  onTestFinished(() => neighbour.remove());
  const { pid: neighbourPid } = await neighbour.state();

  expect(await askFrom(device.pid, '127.0.0.1', 5010)).toMatch(/^connected\nHTTP\/1.1 200 /);
  expect(await askFrom(pid, '127.0.0.1', 5010)).toMatch(/^connected\nHTTP\/1.1 200 /);
  // The way is open, as the module's page shows.
  expect(await askFrom(neighbourPid, address, 9600)).toMatch(/^connected\nHTTP\/1.1 404 /);
  expect(await askFrom(neighbourPid, address, 5010)).toMatch(/^connected\n(ECONNRESET\n)?$/);
  const gateways = ['172.17.0.1', '172.18.0.1', SITE_ADDRESS];
  const heard = await Promise.all(gateways.map((gateway) => askFrom(neighbourPid, gateway, 5010)));
  expect(heard).toEqual(gateways.map(() => 'ECONNREFUSED\n'));
  expect(await listListeners(device.pid, 5010)).toEqual([LOOPBACK_5010]);
});

test('without a published port images come by the engine, and GetStatus and CheckRegistry tell of it', async () => {
  const { pullAll, transports, route, check } = await startBridgeScene();
  await pullAll({ hostConfig: { PortBindings: {} } });
  expect(transports()).toEqual(['engine', 'engine']);
  const why = 'The engine does not reach the relay at 127.0.0.1:5010.';
  expect(await route()).toEqual({ transport: 'engine', transportReason: why });
  const { ok, relay } = await check();
  expect(ok).toBe(true);
  expect(relay).toMatchObject([
    { step: 'relay', result: 'failed', advice: expect.stringContaining('PortBindings') as string },
  ]);
});

test('a registry that is published on the loopback of the host alone is pulled from by the engine', async () => {
  const { pullAll, transports, route, check, door, registry } = await startBridgeScene('127.0.0.1');
  await pullAll();
  expect(transports()).toEqual(['engine', 'engine']);
  expect([...door.bytesTo.keys()]).toEqual(['127.0.0.1']);
  const { transport, transportReason } = await route();
  expect(transport).toBe('engine');
  expect(transportReason).toMatch(/^The module itself does not reach the registry: .*ECONNREFUSED/);
  const { ok, relay } = await check();
  expect(ok).toBe(true);
  expect(toOutcomes(relay)).toEqual(['relay ok', 'reach failed RegistryUnreachable']);
  const port = registry.address.split(':')[1] ?? '';
  for (const words of [
    '"ExtraHosts": ["host.docker.internal:host-gateway"]',
    `port ${port} published on all`,
  ]) {
    expect(JSON.stringify(relay).replaceAll(String.raw`\"`, '"')).toContain(words);
  }
});

test('on the network of the host the relay listens on loopback alone', async () => {
  const { pullAll, transports, door } = await startBridgeScene();
  const container = await pullAll({
    hostConfig: { NetworkMode: 'host' },
    createOptions: { NetworkingConfig: { EndpointsConfig: { host: {} } } },
  });
  expect(transports()).toEqual(['relay', 'relay']);
  expect([...door.bytesTo.keys()]).toEqual(['127.0.0.1']);
  const { pid } = await container.state();
  await expect.poll(() => listListeners(pid, 5010), WAIT).toEqual([LOOPBACK_5010]);
  expect(await askFrom(device.pid, SITE_ADDRESS, 5010)).toBe('ECONNREFUSED\n');
});
