import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import device from 'azure-iot-device';
import type { ModuleClient } from 'azure-iot-device';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NO_FAULTS, startEdge } from '#lab/edge';
import type { Edge } from '#lab/edge';
import { collectPatches, createProvider, listenToEcho, openClient, report, WAIT } from './sdk-client.ts';

let dir: string;
let edge: Edge;
const clients: ModuleClient[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lab-'));
  edge = await startEdge({ dir, parentHostName: 'parent' });
});
afterEach(async () => {
  Object.assign(edge.faults, NO_FAULTS);
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await edge.stop();
  await rm(dir, { recursive: true });
});

async function connect(): Promise<ModuleClient> {
  const client = await openClient(edge);
  clients.push(client);
  return client;
}

describe('connecting', () => {
  test('the SDK connects with a token that the workload API signed, and is counted', async () => {
    await connect();
    expect(edge).toMatchObject({ connections: 1, connected: true, attempts: 1 });
  });

  test('the environment is what edgeAgent gives a module', () => {
    expect(edge.environment).toEqual({
      IOTEDGE_WORKLOADURI: expect.stringMatching(/^unix:\/\/\/.*\.sock$/),
      IOTEDGE_AUTHSCHEME: 'sasToken',
      IOTEDGE_MODULEGENERATIONID: expect.any(String),
      IOTEDGE_IOTHUBHOSTNAME: 'lab.azure-devices.net',
      IOTEDGE_GATEWAYHOSTNAME: expect.stringMatching(/^localhost:\d+$/),
      IOTEDGE_PARENTHOSTNAME: 'parent',
      IOTEDGE_DEVICEID: 'lab-device',
      IOTEDGE_MODULEID: 'puller',
      IOTEDGE_APIVERSION: expect.any(String),
    });
  });

  test('a refused CONNACK is what the SDK calls Unauthorized, and is no connection', async () => {
    edge.faults.refuseConnack = 5;
    await expect(connect()).rejects.toThrow('Not authorized');
    expect(edge).toMatchObject({ connections: 0, connected: false, attempts: 1 });
  });

  test('a token that the key has not signed is refused', async () => {
    const forger = createProvider(edge);
    const token = `SharedAccessSignature sr=${RESOURCE}&sig=AAAA&se=9999999999`;
    Object.assign(forger, { _sign: (_: string, __: number, done: Sign) => done(null, token) });
    await expect(openClient(edge, forger)).rejects.toThrow('Not authorized');
    expect(edge.connections).toBe(0);
  });

  test('a workload API that fails to sign keeps the SDK from connecting', async () => {
    edge.faults.signStatus = 403;
    await expect(connect()).rejects.toThrow('failed to sign');
    expect(edge.attempts).toBe(0);
  });

  test('a workload API that is stopped has no socket, and comes back', async () => {
    await edge.stopWorkload();
    await expect(connect()).rejects.toThrow('ENOENT');
    await edge.startWorkload();
    await connect();
    expect(edge.connections).toBe(1);
  });

  test('a second connection of the same module closes the first', async () => {
    const first = await connect();
    await first.getTwin();
    await connect();
    expect(edge.connections).toBeGreaterThanOrEqual(2);
    expect(edge.connected).toBe(true);
  });

  test('a stopped edge leaves no file behind', async () => {
    await connect();
    await clients.pop()?.close();
    await edge.stop();
    expect(await readdir(dir)).toEqual([]);
  });
});

type Sign = (error: null, token: string) => void;
const RESOURCE = encodeURIComponent('lab.azure-devices.net/devices/lab-device/modules/puller');

describe('the twin', () => {
  test('is given whole, with versions', async () => {
    edge.setDesired({ images: { hello: 'hello-world' } });
    const client = await connect();
    const twin = await client.getTwin();
    expect(twin.properties.desired).toMatchObject({ images: { hello: 'hello-world' }, $version: 2 });
    expect(twin.properties.reported).toMatchObject({ $version: 1 });
    expect(edge.twinGets).toBe(1);
  });

  test('is empty and without a version when edgeHub has no copy and no connection', async () => {
    edge.setDesired({ images: {} });
    edge.faults.upstreamAway = true;
    const client = await connect();
    const twin = await client.getTwin();
    expect(twin.properties.desired.$version).toBeUndefined();
    expect(twin.properties.desired.images).toBeUndefined();
  });

  test('is edgeHub’s copy while IoT Hub is away, and reports catch up afterwards', async () => {
    const client = await connect();
    const twin = await client.getTwin();
    edge.faults.upstreamAway = true;
    edge.setDesired({ images: { late: 'late' } });
    await report(twin, { phase: 'Pulled' });
    const again = await client.getTwin();
    expect(again.properties.desired.images).toBeUndefined();
    expect(again.properties.reported).toMatchObject({ phase: 'Pulled' });
    expect(edge.reported()).not.toHaveProperty('phase');
    edge.faults.upstreamAway = false;
    expect(edge.reported()).toMatchObject({ phase: 'Pulled' });
    const caughtUp = await client.getTwin();
    expect(caughtUp.properties.desired.images).toEqual({ late: 'late' });
  });

  test('a desired patch is pushed with its nulls and its version to a subscribed module', async () => {
    edge.setDesired({ images: { a: 'a', b: 'b' } });
    const client = await connect();
    const patches = await collectPatches(edge, await client.getTwin());
    edge.patchDesired({ images: { a: null, c: 'c' } });
    await expect.poll(() => patches, WAIT).toHaveLength(1);
    expect(patches[0]).toEqual({ images: { a: null, c: 'c' }, $version: 3 });
    expect(edge.desired()).toMatchObject({ images: { b: 'b', c: 'c' } });
    expect(edge.desired()['images']).not.toHaveProperty('a');
  });

  test('a desired patch is not queued for a module that is away', async () => {
    const client = await connect();
    const patches = await collectPatches(edge, await client.getTwin());
    await edge.stopHub();
    edge.patchDesired({ missed: true });
    await edge.startHub();
    await expect.poll(() => edge.connected, WAIT).toBe(true);
    edge.patchDesired({ seen: true });
    await expect.poll(() => patches, WAIT).toHaveLength(1);
    expect(patches[0]).toMatchObject({ seen: true });
  });

  test('an accepted report reaches the cloud', async () => {
    const client = await connect();
    const twin = await client.getTwin();
    const reported = edge.waitForReported((document) => document['phase'] === 'Pulled');
    await report(twin, { phase: 'Pulled', gone: null });
    expect(await reported).toEqual({ phase: 'Pulled', $version: 2 });
    expect(edge.reports).toMatchObject([{ patch: { phase: 'Pulled', gone: null }, status: 204 }]);
  });

  test('a report that edgeHub refuses is a success to the SDK', async () => {
    const client = await connect();
    const twin = await client.getTwin();
    await report(twin, { 'a.b': 1 });
    await report(twin, { text: 'x'.repeat(4097) });
    expect(edge.reports.map(({ status }) => status)).toEqual([400, 400]);
    expect(edge.reported()).toEqual({ $version: 1 });
    await expect(edge.waitForReported((document) => 'text' in document, 0)).rejects.toThrow('{"$version":1}');
  });

  test('IoT Hub’s error body is an error to the SDK', async () => {
    const client = await connect();
    const twin = await client.getTwin();
    edge.faults.reportErrorBody = { errorCode: 400_004, message: 'depth exceeded' };
    await expect(report(twin, { a: 1 })).rejects.toThrow('depth exceeded');
    expect(edge.reports).toMatchObject([{ status: 400 }]);
  });

  test('over 32 KB in all, reports are accepted and stand still until there is room again', async () => {
    const client = await connect();
    const twin = await client.getTwin();
    const half = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, 'x'.repeat(4000)]));
    await report(twin, { first: half });
    await report(twin, { second: half });
    expect(edge.reports.map(({ status }) => status)).toEqual([204, 204]);
    expect(edge.stuck).toBe(true);
    expect(edge.reported()).not.toHaveProperty('second');
    await report(twin, { first: null });
    expect(edge.stuck).toBe(false);
    expect(edge.reported()).toMatchObject({ second: half });
  });
});

describe('direct methods and telemetry', () => {
  test('a method is called with its payload and answers with its own', async () => {
    const client = await connect();
    await listenToEcho(edge, client);
    const answer = await edge.invokeMethod('echo', { n: 1 });
    expect(answer).toEqual({ status: 202, payload: { got: { n: 1 } } });
    expect(await edge.invokeMethod('echo')).toEqual({ status: 202, payload: { got: null } });
  });

  test('an empty body is a bad request to the SDK', async () => {
    const client = await connect();
    await listenToEcho(edge, client);
    const raw = Buffer.alloc(0);
    expect(await edge.invokeMethod('echo', undefined, { raw })).toMatchObject({ status: 400 });
  });

  test('a method that nobody listens to is 404 without a module and 504 with one', async () => {
    expect(await edge.invokeMethod('unknown')).toEqual({ status: 404, payload: null });
    await listenToEcho(edge, await connect());
    expect(await edge.invokeMethod('unknown', {}, { timeoutMs: 50 })).toEqual({ status: 504, payload: null });
  });

  test('a message to an output arrives with its properties', async () => {
    const client = await connect();
    const message = new device.Message(JSON.stringify({ kind: 'pulled' }));
    message.contentType = 'application/json';
    message.properties.add('image', 'a b/c');
    await client.sendOutputEvent('events', message);
    expect(edge.telemetry).toEqual([
      {
        output: 'events',
        properties: { '$.ct': 'application/json', image: 'a b/c' },
        body: { kind: 'pulled' },
      },
    ]);
  });
});
