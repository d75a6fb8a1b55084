import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createDelivery } from '#lab/registry/delivery';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { RegistryFaults } from '#lab/registry/faults';
import { openRequest } from '#lab/registry/request-log';

const BODY = Buffer.alloc(100_000, 'x');
const target = { kind: 'blob', repository: 'acme/app', digest: 'sha256:0' } as const;

/** Serves the same blob to everybody, as the switches say. */
async function startShaped(changes: Partial<RegistryFaults>): Promise<{
  /** How many bytes come, over a connection of the agent's or one of its own. */
  get(agent?: Agent): Promise<number>;
}> {
  const delivery = createDelivery({ ...NO_REGISTRY_FAULTS, ...changes });
  const server = createServer((incoming, response) => {
    const { signal } = new AbortController();
    response.writeHead(200, { 'content-length': BODY.length });
    const body = async function* (): AsyncGenerator<Buffer> {
      yield BODY;
    };
    const parcel = { target, record: openRequest(incoming), response, bodyBytes: BODY.length, signal };
    delivery
      .hold(target, signal)
      .then(() => pipeline(delivery.shape(body(), parcel), response))
      .catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    get(agent) {
      const { promise, resolve } = Promise.withResolvers<number>();
      let bytes = 0;
      const asked = request({ host: '127.0.0.1', port, agent: agent ?? false }, (answer) => {
        answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
        answer.on('error', () => undefined);
        answer.once('close', () => resolve(bytes));
      });
      asked.on('error', () => resolve(bytes));
      asked.end();
      return promise;
    },
  };
}

it('gives half an answer on each connection whose turn it is to break, and whole ones on the others', async () => {
  const { get } = await startShaped({ cutConnections: { every: 3 } });
  const received: number[] = [];
  for (let turn = 0; turn < 6; turn += 1) received.push(await get());

  expect(received).toEqual([100_000, 100_000, 50_000, 100_000, 100_000, 50_000]);
});

it('begins with the connection that it is told to', async () => {
  const { get } = await startShaped({ cutConnections: { every: 3, first: 2 } });
  const received: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) received.push(await get());

  expect(received).toEqual([100_000, 50_000, 100_000, 100_000, 50_000]);
});

it('breaks no connection later than on its first answer', async () => {
  const { get } = await startShaped({ cutConnections: { every: 2 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());

  expect([await get(agent), await get(agent), await get(agent)]).toEqual([100_000, 100_000, 100_000]);
});

it('holds two connections to a rate in all that each alone could have', async () => {
  const { get } = await startShaped({ bytesPerSecond: 1_000_000, totalBytesPerSecond: 1_000_000 });
  const startedMs = performance.now();
  await Promise.all([get(), get()]);

  // 200 kB, less the burst that is forgiven once.
  expect(performance.now() - startedMs).toBeGreaterThan(140);
});

it('breaks the answers that are under way with the one that comes to the sum', async () => {
  const { get } = await startShaped({ cutBlobsAtBytes: [60_000], bytesPerSecond: 400_000 });
  const [first, second] = await Promise.all([get(), get()]);

  expect((first ?? 0) + (second ?? 0)).toBe(60_000);
  expect(await get()).toBe(100_000);
});
