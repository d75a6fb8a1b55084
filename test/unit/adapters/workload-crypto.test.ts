import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createWorkloadSealer } from '#adapters/workload-crypto';
import type { Sealer } from '#agent/ports';
import { createFaults } from '#lab/edge/faults';
import { createIdentity } from '#lab/edge/identity';
import { startWorkload } from '#lab/edge/workload';

const PASSWORD = 'hunter2?>~ é';

/** A device's security daemon, and the sealer of a module there. */
async function startDaemon() {
  const dir = await mkdtemp(join(tmpdir(), 'daemon-'));
  const socketPath = join(dir, 'w.sock');
  const identity = createIdentity({ hubHost: 'hub.example', deviceId: 'd', moduleId: 'edge/puller' });
  const faults = createFaults(() => undefined);
  const log = (): void => undefined;
  const workload = await startWorkload({ socketPath, identity, toTrustBundlePem: () => '', faults, log });
  onTestFinished(async () => {
    await workload.stop();
    await rm(dir, { recursive: true });
  });
  const toSealer = (generationId = identity.generationId): Sealer =>
    createWorkloadSealer({ ...identity, workloadUri: `unix://${socketPath}`, generationId });
  return { ...workload, toSealer };
}

interface Asked {
  readonly url: string | undefined;
  readonly plaintext: string;
  readonly initializationVector: string;
}

/** A daemon that notes what it is asked, and answers as the test has it. */
async function startOdd(answer: (response: ServerResponse, asked: Asked) => void) {
  const asked: Asked[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const fields = (await json(request)) as Omit<Asked, 'url'>;
    asked.push({ url: request.url, ...fields });
    answer(response, { url: request.url, ...fields });
  };
  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const workloadUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, sealer: createWorkloadSealer({ workloadUri, moduleId: 'm', generationId: 'g' }) };
}

test('what is sealed does not stand in clear, and opens again after a restart', async () => {
  const { toSealer } = await startDaemon();
  for (const text of [PASSWORD, '', 'x'.repeat(10_000)]) {
    const sealed = await toSealer().seal(text);
    const stored = sealed.split('.').map((part) => Buffer.from(part, 'base64').toString());
    if (text !== '') expect([sealed, ...stored].join()).not.toContain(text);
    expect(await toSealer().open(sealed)).toBe(text);
  }
});

test('the same text is sealed by another vector each time, and looks like another', async () => {
  const { toSealer } = await startDaemon();
  const sealer = toSealer();
  const sealed = await Promise.all([1, 2, 3, 4].map(() => sealer.seal(PASSWORD)));
  const parts = sealed.map((text) => text.split('.').map((part) => Buffer.from(part, 'base64')));
  expect(parts.map(([vector]) => vector?.length)).toEqual([16, 16, 16, 16]);
  for (const index of [0, 1]) {
    expect(new Set(parts.map((each) => each[index]?.toString('hex'))).size).toBe(4);
  }
});

test('the vector that is kept is the one that the daemon sealed with', async () => {
  const { asked, sealer } = await startOdd((response) => response.end('{"ciphertext":"abc="}'));
  expect(await sealer.seal(PASSWORD)).toBe(`${asked[0]?.initializationVector}.abc=`);
  expect(asked).toMatchObject([
    {
      url: '/modules/m/genid/g/encrypt?api-version=2020-07-07',
      plaintext: Buffer.from(PASSWORD).toString('base64'),
    },
  ]);
});

test('what was sealed for an identity of before, or changed since, does not open', async () => {
  const { toSealer } = await startDaemon();
  const sealed = await toSealer().seal(PASSWORD);
  await expect(toSealer('made-anew').open(sealed)).rejects.toThrow('the workload API answered 500');
  const other = await toSealer().seal('another');
  const mixed = `${sealed.split('.')[0]}.${other.split('.')[1]}`;
  await expect(toSealer().open(mixed)).rejects.toThrow('the workload API answered 500');
  await expect(toSealer().open('')).rejects.toThrow('the workload API answered 500');
});

test('a daemon that is away is told as such', async () => {
  const { toSealer, stop } = await startDaemon();
  await stop();
  await expect(toSealer().seal(PASSWORD)).rejects.toThrow('ENOENT');
});

test.each<[string, (response: ServerResponse, asked: Asked) => void, string]>([
  [
    'repeats what it refuses',
    (response, { plaintext }) => response.writeHead(500).end(JSON.stringify({ message: plaintext })),
    'the workload API answered 500',
  ],
  [
    'answers with another thing than JSON',
    (response, { plaintext }) => response.end(plaintext),
    'the workload API answered with another thing than JSON',
  ],
  ['answers without the text', (response) => response.end('{}'), 'without the text asked for'],
  [
    'answers with another thing than a text',
    (response, { plaintext }) => response.end(JSON.stringify({ ciphertext: [plaintext] })),
    'without the text asked for',
  ],
  [
    'answers without end',
    (response) => {
      const timer = setInterval(() => response.write(' '.repeat(100_000)), 1);
      response.on('close', () => clearInterval(timer));
    },
    'answered too much',
  ],
  ['breaks off', (response) => response.write('{', () => response.destroy()), 'aborted'],
])('a daemon that %s seals nothing, and no secret is in what is said', async (_, answer, words) => {
  const { sealer } = await startOdd(answer);
  const failure = await sealer.seal(PASSWORD).catch((error: unknown) => error as Error);
  expect(failure).toBeInstanceOf(Error);
  const { message, stack } = failure as Error;
  expect(message).toContain(words);
  expect(stack).not.toContain(PASSWORD);
  expect(stack).not.toContain(Buffer.from(PASSWORD).toString('base64'));
});
