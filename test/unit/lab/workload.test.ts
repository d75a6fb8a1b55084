import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFaults } from '#lab/edge/faults';
import { createIdentity, sign } from '#lab/edge/identity';
import { startWorkload } from '#lab/edge/workload';
import type { Workload } from '#lab/edge/workload';

const identity = createIdentity({ hubHost: 'hub.example', deviceId: 'd', moduleId: 'm' });
const base = `/modules/m/genid/${identity.generationId}`;
const query = '?api-version=2018-06-28';
let dir: string;
let workload: Workload;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'workload-'));
  workload = await startWorkload({
    socketPath: join(dir, 'w.sock'),
    identity,
    toTrustBundlePem: () => 'PEM',
    faults: createFaults(() => {}),
    log: () => {},
  });
});
afterEach(async () => {
  await workload.stop();
  await rm(dir, { recursive: true });
});

function call(path: string, body?: unknown, contentType = 'application/json') {
  return new Promise<{ status: number | undefined; body: unknown }>((resolve, reject) => {
    const sent = request(
      {
        socketPath: join(dir, 'w.sock'),
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': contentType },
      },
      (response) => {
        json(response).then((parsed) => resolve({ status: response.statusCode, body: parsed }), reject);
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
const encode = (text: string): string => Buffer.from(text).toString('base64');

test('the trust bundle and the modules are for anyone, and the socket too', async () => {
  expect(await call(`/trust-bundle${query}`)).toEqual({ status: 200, body: { certificate: 'PEM' } });
  const modules = [{ name: 'edgeAgent' }, { name: 'edgeHub' }, { name: 'm' }];
  expect(await call(`/modules${query}`)).toMatchObject({ status: 200, body: { modules } });
  expect((await stat(join(dir, 'w.sock'))).mode & 0o777).toBe(0o666);
});

test('sign gives the HMAC of the bytes', async () => {
  const body = { keyId: 'primary', algo: 'HMACSHA256', data: encode('text') };
  const digest = sign(identity, 'text').toString('base64');
  expect(await call(`${base}/sign${query}`, body)).toEqual({ status: 200, body: { digest } });
});

test('what was encrypted opens again, but not with another vector nor by another generation', async () => {
  const initializationVector = encode('vector');
  const sealed = await call(`${base}/encrypt${query}`, { plaintext: encode('secret'), initializationVector });
  const { ciphertext } = Object(sealed.body);
  expect(Buffer.from(String(ciphertext), 'base64').toString()).not.toContain('secret');
  const good = { ciphertext, initializationVector };
  expect(await call(`${base}/decrypt${query}`, good)).toEqual({
    status: 200,
    body: { plaintext: encode('secret') },
  });
  const other = { ciphertext, initializationVector: encode('other') };
  expect(await call(`${base}/decrypt${query}`, other)).toMatchObject({ status: 500 });
  expect(await call(`/modules/m/genid/new/decrypt${query}`, good)).toMatchObject({ status: 500 });
  expect(await call(`${base}/decrypt${query}`, { ...good, ciphertext: '' })).toMatchObject({ status: 500 });
});

test.each<[string, number, Parameters<typeof call>]>([
  ['no api-version', 400, ['/trust-bundle']],
  ['an unknown path', 404, [`/nothing${query}`]],
  ['another module', 403, [`/modules/other/genid/1/sign${query}`, {}]],
  ['a body that is not JSON', 415, [`${base}/sign${query}`, {}, 'text/plain']],
  ['a missing field', 422, [`${base}/sign${query}`, {}]],
])('%s is refused with a message', async (_, status, request) => {
  expect(await call(...request)).toEqual({ status, body: { message: expect.any(String) } });
});

test('stopped, nobody answers; started again, the same socket does', async () => {
  await workload.stop();
  await expect(call(`/modules${query}`)).rejects.toThrow('ENOENT');
  await workload.start();
  expect(await call(`/modules${query}`)).toMatchObject({ status: 200 });
});
