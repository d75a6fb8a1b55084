import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { createStubBlobs } from '#test/unit/relay/stub-upstream';
import { ask, startRelay, toAccess, WAIT, waitUntilServing } from '#test/unit/relay/scene';

/** Every wait of the server's own is short. */
const quickClock = {
  ...systemClock,
  sleep: (_delayMs: number, signal: AbortSignal) => systemClock.sleep(5, signal),
};

it('tells where it serves, and ends at once', async () => {
  const { relay, port, stop, lines } = await startRelay();
  await waitUntilServing(relay);
  expect(relay.standing).toEqual({ kind: 'serving', address: `127.0.0.1:${port}` });
  expect(lines).toEqual([expect.stringMatching(/^the relay listens for the engine /)]);
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  await stop();
  await closed;
  expect(relay.standing.kind).toBe('off');
  await expect(ask(port, '/v2/')).rejects.toThrow('ECONNREFUSED');
});

it('without a port it is off, says so, and asks registries all the same', async () => {
  const { relay } = await startRelay({ port: undefined });
  expect(relay.standing).toEqual({ kind: 'off', why: 'RELAY_PORT is 0' });
  await relay.run(new AbortController().signal);
  expect(await relay.login(toAccess('plant:5000'), new AbortController().signal)).toEqual({
    isPlainHttp: true,
  });
});

it('looks for what was kept for too long, again and again while it runs', async () => {
  let looks = 0;
  const blobs = { ...createStubBlobs(), forgetOld: async () => void (looks += 1) };
  await startRelay({ blobs, isKeeping: true, clock: quickClock });
  await expect.poll(() => looks, WAIT).toBeGreaterThan(1);
});

it('goes on where what was kept for too long cannot be removed', async () => {
  let looks = 0;
  const forgetOld = async (): Promise<void> => {
    looks += 1;
    throw new Error('EROFS: read-only file system');
  };
  const blobs = { ...createStubBlobs(), forgetOld };
  const { relay, stop } = await startRelay({ blobs, isKeeping: true, clock: quickClock });
  await expect.poll(() => looks, WAIT).toBeGreaterThan(2);
  await waitUntilServing(relay);
  await expect(stop()).resolves.toBeUndefined();
});

it('a port that is taken is told once, and served as soon as it is free', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { relay, lines } = await startRelay({ port, clock: quickClock });
  await expect.poll(() => lines, WAIT).toHaveLength(1);
  expect(lines[0]).toMatch(/^RELAY_PORT cannot be listened on.*EADDRINUSE/);
  expect(relay.standing).toMatchObject({ kind: 'off', why: expect.stringContaining('EADDRINUSE') });
  await new Promise((resolve) => other.close(resolve));
  await waitUntilServing(relay);
  expect(lines).toHaveLength(2);
});

it('one place that cannot be listened at leaves none open', async () => {
  const { relay, port, lines } = await startRelay({
    listPlaces: async () => [{ address: '127.0.0.1' }, { address: '192.0.2.77' }],
  });
  await expect.poll(() => lines, WAIT).toHaveLength(1);
  expect(relay.standing).toMatchObject({ kind: 'off', why: expect.stringContaining('192.0.2.77') });
  await expect(ask(port, '/v2/')).rejects.toThrow('ECONNREFUSED');
});

it('at a place of the bridge network’s nobody but the gateway is answered', async () => {
  const { relay, port } = await startRelay({
    listPlaces: async () => [{ address: '127.0.0.1' }, { address: '127.0.0.5', onlyFrom: '127.0.0.9' }],
  });
  await waitUntilServing(relay);
  const askFrom = (localAddress: string) => ask(port, '/v2/', { host: '127.0.0.5', localAddress });
  expect((await askFrom('127.0.0.9')).status).toBe(200);
  await expect(askFrom('127.0.0.8')).rejects.toThrow(/ECONNRESET|socket hang up/);
  expect((await ask(port, '/v2/')).status).toBe(200);
});

it('of 200 connections at once 64 are taken, and when they leave others are', async () => {
  const { relay, port } = await startRelay();
  await waitUntilServing(relay);
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  let closed = 0;
  for (const socket of sockets) socket.on('error', () => undefined).once('close', () => (closed += 1));
  await expect.poll(() => closed, WAIT).toBe(136);
  await expect(ask(port, '/v2/')).rejects.toThrow(/ECONNRESET|socket hang up/);
  for (const socket of sockets) socket.destroy();
  await expect
    .poll(
      () =>
        ask(port, '/v2/').then(
          ({ status }) => status,
          () => 0,
        ),
      WAIT,
    )
    .toBe(200);
});
