import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModuleClient } from 'azure-iot-device';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NO_FAULTS, startEdge } from '#lab/edge';
import type { Edge } from '#lab/edge';
import { listenToEcho, openClient, WAIT } from './sdk-client.ts';

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

test('with its sessions kept, a restarted edgeHub still answers the twin', async () => {
  const client = await connect();
  await listenToEcho(edge, client);
  await client.getTwin();
  await edge.stopHub();
  expect(edge.connected).toBe(false);
  await edge.startHub({ sessions: 'kept' });
  await expect.poll(() => edge.connections, WAIT).toBe(2);
  edge.setDesired({ after: true });
  const twin = await client.getTwin();
  expect(twin.properties.desired).toMatchObject({ after: true });
});

test('with its sessions lost, edgeHub’s twin answers never reach the SDK while methods do', async () => {
  const client = await connect();
  await listenToEcho(edge, client);
  await client.getTwin();
  await edge.stopHub();
  await edge.startHub({ sessions: 'lost' });
  await expect.poll(() => edge.connections, WAIT).toBe(2);
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  client.getTwin().then(settle, settle);
  await expect.poll(() => edge.twinGets, WAIT).toBe(2);
  // A round trip that was begun after the answer: had that been on its way, it would have been there first.
  await expect.poll(() => edge.invokeMethod('echo'), WAIT).toMatchObject({ status: 202 });
  expect(isSettled).toBe(false);
});

test('a cut connection comes back by itself', async () => {
  await listenToEcho(edge, await connect());
  edge.cutConnections();
  await expect.poll(() => edge.connections, WAIT).toBe(2);
});

test('through a black hole nothing moves, and afterwards what was held arrives', async () => {
  const client = await connect();
  await listenToEcho(edge, client);
  await client.getTwin();
  edge.faults.blackHole = true;
  let isSettled = false;
  const twin = client.getTwin().finally(() => {
    isSettled = true;
  });
  expect(await edge.invokeMethod('echo', {}, { timeoutMs: 200 })).toMatchObject({ status: 504 });
  expect(edge.twinGets).toBe(1);
  expect(isSettled).toBe(false);
  edge.faults.blackHole = false;
  await twin;
  expect(edge.twinGets).toBe(2);
});

test('a connection into a black hole is accepted and not even offered TLS', async () => {
  edge.faults.blackHole = true;
  const connecting = connect();
  await expect.poll(() => edge.attempts, WAIT).toBe(1);
  expect(edge.connections).toBe(0);
  edge.faults.blackHole = false;
  await connecting;
  expect(edge.connections).toBe(1);
});

test('an unanswered get of the twin is counted, and a late one answered', async () => {
  const client = await connect();
  await listenToEcho(edge, client);
  await client.getTwin();
  edge.faults.dropTwinReplies = true;
  void client.getTwin();
  await expect.poll(() => edge.twinGets, WAIT).toBe(2);
  edge.faults.dropTwinReplies = false;
  edge.faults.twinGetDelayMs = 100;
  await client.getTwin();
  expect(edge.twinGets).toBe(3);
});
