import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Certificate } from '#lab/certificates';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import type { Engine } from '#lab/engine/engine';
import { startEngine } from '#lab/engine/engine';
import { helloWorld } from '#lab/images/hello-world';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { Registry, RegistryOptions } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';

let dir = '';
let engine: Engine;
let authority: Certificate;
const credentials = { username: 'edge-device', password: 'first-secret' };

beforeAll(async () => {
  await ensurePrerequisites();
  dir = await mkdtemp(join(tmpdir(), 'lab-access-'));
  [engine, authority] = await Promise.all([
    startEngine({ dir: join(dir, 'engine') }),
    createCertificateAuthority({ dir, name: 'Plant CA' }),
  ]);
});
afterAll(async () => {
  await engine.stop();
  await rm(dir, { recursive: true });
});

async function startHelloRegistry(options: Omit<RegistryOptions, 'dir'>): Promise<Registry> {
  const registry = await startRegistry({ ...options, dir: await mkdtemp(join(dir, 'registry-')) });
  onTestFinished(() => registry.close());
  registry.scopeMaps.set('hello', ['repositories/hello-world/content/read']);
  registry.tokens.set(credentials.username, {
    status: 'enabled',
    scopeMap: 'hello',
    passwords: { password1: { value: credentials.password } },
  });
  await registry.push(await helloWorld(), 'hello-world', '1');
  await registry.push(await helloWorld(), 'other', '1');
  return registry;
}

it('serves engines over TLS, token endpoint included', async () => {
  const tls = await issueServerCertificate({
    dir,
    authority,
    commonName: 'gateway',
    ipAddresses: ['127.0.0.1'],
  });
  const registry = await startHelloRegistry({ tls });

  const outcome = await engine.pull(`${registry.address}/hello-world:1`, { credentials });

  expect(outcome.error).toBeUndefined();
  expect(registry.tokenRequests).toMatchObject([{ account: credentials.username, ok: true }]);
});

it('proves itself with the given certificate, and names itself by its public name', async () => {
  const tls = await issueServerCertificate({
    dir,
    authority,
    commonName: 'gateway',
    dnsNames: ['gateway.plant'],
  });
  const registry = await startHelloRegistry({ tls, publicHost: 'gateway.plant' });

  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const agent = new Agent({ ca: authority.certificatePem, servername: 'gateway.plant' });
  const port = registry.address.replace('gateway.plant:', '');
  request({ host: '127.0.0.1', port, path: '/v2/', agent }, (response) => {
    response.resume();
    resolve(response.headers['www-authenticate']);
  })
    .once('error', reject)
    .end();

  expect(await promise).toBe(
    `Bearer realm="https://${registry.address}/acr/oauth2/token",service="${registry.address}"`,
  );
});

it('asks nobody for a password without authentication', async () => {
  const registry = await startHelloRegistry({ auth: 'none' });

  const outcome = await engine.pull(`${registry.address}/other:1`);

  expect(outcome.error).toBeUndefined();
  expect(registry.requests.map(({ status }) => status)).not.toContain(401);
});

it('takes the password in every request with basic authentication', async () => {
  const registry = await startHelloRegistry({ auth: 'basic' });
  const pull = (image: string, options = {}) => engine.pull(`${registry.address}/${image}`, options);

  expect((await pull('hello-world:1', { credentials })).error).toBeUndefined();
  expect((await pull('hello-world:1')).error).toMatch(/no basic auth credentials$/);
  expect((await pull('hello-world:1', { credentials: { ...credentials, password: 'x' } })).error).toMatch(
    /unauthorized: Incorrect Password/,
  );
  expect((await pull('other:1', { credentials })).error).toMatch(/denied: Insufficient scopes/);
});

it('forgets nothing when it is started again with the same folder', async () => {
  const folder = await mkdtemp(join(dir, 'registry-'));
  const first = await startRegistry({ dir: folder });
  const { digest } = await first.push(await helloWorld(), 'hello-world', '1');
  await first.close();

  const second = await startRegistry({ dir: folder });
  onTestFinished(() => second.close());

  expect(await second.resolve('hello-world', '1')).toBe(digest);
});

it('hands out tokens that end when they should', async () => {
  const registry = await startHelloRegistry({});
  registry.tokenLifetimeMs = -61_000;

  const response = await fetch(`${registry.url}/acr/oauth2/token?scope=repository:hello-world:pull`, {
    headers: { authorization: `Basic ${Buffer.from('edge-device:first-secret').toString('base64')}` },
  });
  const { access_token: token } = (await response.json()) as { access_token: string };
  const manifest = await fetch(`${registry.url}/v2/hello-world/manifests/1`, {
    headers: { authorization: `Bearer ${token}` },
  });

  expect(response.status).toBe(200);
  expect(manifest.status).toBe(401);
  expect(manifest.headers.get('www-authenticate')).toMatch(/error="invalid_token"$/);
});
