import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { fetchRegistryToken } from '#adapters/registry-token';
import type { RegistryTokenOptions } from '#adapters/registry-token';
import { Secret } from '#core/secret';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import type { Certificate } from '#lab/certificates';
import { helloWorld } from '#lab/images/hello-world';
import { ensurePrerequisites } from '#lab/prerequisites';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';

const PASSWORD = 'right?>password~';
const toCredential = (password: string) =>
  ({ name: 'password', username: 'device', password: new Secret(password) }) as const;

let dir = '';
let authority: Certificate;
let server: Certificate;
let plain: Registry;
let secure: Registry;

beforeAll(async () => {
  await ensurePrerequisites();
  dir = await mkdtemp(join(tmpdir(), 'registry-token-'));
  authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  server = await issueServerCertificate({
    dir,
    authority,
    commonName: 'registry',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  plain = await startRegistry({ dir: join(dir, 'plain') });
  secure = await startRegistry({ dir: join(dir, 'secure'), tls: server });
  for (const registry of [plain, secure]) {
    registry.scopeMaps.set('readers', ['repositories/hello-world/content/read']);
    registry.tokens.set('device', {
      status: 'enabled',
      scopeMap: 'readers',
      passwords: { password1: { value: PASSWORD } },
    });
    await registry.push(await helloWorld('linux/amd64'), 'hello-world', '1');
  }
});
afterEach(() => Object.assign(plain.faults, NO_REGISTRY_FAULTS));
afterAll(async () => {
  await Promise.all([plain.close(), secure.close()]);
  await rm(dir, { recursive: true });
});

const fetchToken = (
  address: string,
  options: Partial<RegistryTokenOptions> = {},
): Promise<Secret | undefined> =>
  fetchRegistryToken({
    reference: { registry: address, repository: 'hello-world', tag: '1' },
    credential: toCredential(PASSWORD),
    isInsecure: true,
    signal: new AbortController().signal,
    ...options,
  });

/** What the registry says to a request for the manifest with the token, over loopback where TLS would be in the way. */
async function fetchManifest(registry: Registry, token: Secret | undefined): Promise<number> {
  const response = await fetch(`${registry.url}/v2/hello-world/manifests/1`, {
    headers: { authorization: `Bearer ${token?.reveal()}` },
  });
  await response.arrayBuffer();
  return response.status;
}

describe('over loopback without TLS', () => {
  test('the token of the right password opens the manifest, and the registry sees one request for it', async () => {
    const before = plain.tokenRequests.length;
    const token = await fetchToken(plain.address);
    expect(await fetchManifest(plain, token)).toBe(200);
    expect(plain.tokenRequests.slice(before)).toMatchObject([
      { account: 'device', scope: 'repository:hello-world:pull', ok: true },
    ]);
  });

  test('a wrong password gets none', async () => {
    expect(await fetchToken(plain.address, { credential: toCredential('wrong') })).toBeUndefined();
    expect(plain.tokenRequests.at(-1)).toMatchObject({ account: 'device', ok: false });
  });

  test('a token endpoint that hangs ends with the limit', async () => {
    plain.faults.tokenHangs = true;
    expect(await fetchToken(plain.address, { timeoutMs: 1000 })).toBeUndefined();
  });

  test('a registry behind a broken gateway gives none', async () => {
    plain.faults.html = true;
    expect(await fetchToken(plain.address)).toBeUndefined();
  });
});

describe('over TLS', () => {
  test('the private authority is trusted where it is named', async () => {
    const token = await fetchToken(secure.address, { ca: authority.certificatePem, isInsecure: false });
    expect(token).toBeDefined();
    expect(secure.tokenRequests.at(-1)).toMatchObject({ account: 'device', ok: true });
  });

  test('a registry that has its tokens at another name than the reference gives none', async () => {
    const address = secure.address.replace('127.0.0.1', 'localhost');
    const before = secure.tokenRequests.length;
    expect(await fetchToken(address, { ca: authority.certificatePem })).toBeUndefined();
    expect(secure.requests.at(-1)?.path).toBe('/v2/');
    expect(secure.tokenRequests).toHaveLength(before);
  });

  test('a wrong password gets none', async () => {
    const credential = toCredential('wrong');
    expect(await fetchToken(secure.address, { ca: authority.certificatePem, credential })).toBeUndefined();
  });

  test('without the authority the password is not told', async () => {
    const before = secure.requests.length;
    expect(await fetchToken(secure.address, { isInsecure: false })).toBeUndefined();
    const other = await createCertificateAuthority({ dir, name: 'Other CA' });
    expect(await fetchToken(secure.address, { ca: other.certificatePem })).toBeUndefined();
    expect(secure.requests).toHaveLength(before);
  });

  test('the certificate is not looked at where the engine would not look either', async () => {
    expect(await fetchToken(secure.address, { isInsecure: true })).toBeDefined();
  });

  test('an attacker cannot lead the password from HTTPS to plain HTTP, at the same host and port', async () => {
    const requests: (string | undefined)[] = [];
    const tls = createServer({ cert: server.certificatePem, key: server.keyPem }, (request, response) => {
      requests.push(request.headers.authorization);
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    });
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void tls.close());
    const address = `127.0.0.1:${(tls.address() as AddressInfo).port}`;
    expect(await fetchToken(address, { isInsecure: true })).toBeUndefined();
    expect(requests).toEqual([undefined]);
  });
});
