import { Buffer } from 'node:buffer';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '#agent/ports';
import { describe, expect, onTestFinished, test } from 'vitest';
import { probeRegistry } from '#adapters/registry-probe';
import { fetchRegistryToken } from '#adapters/registry-token';
import type { RegistryTokenOptions } from '#adapters/registry-token';
import { Secret } from '#core/secret';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import { challengeThenAnswer, startStubRegistry } from '#test/unit/adapters/stub-registry';
import { startAside, startSite } from '#test/unit/relay/site';

const credential = { name: 'password', username: 'device', password: new Secret('hunter2') } as const;
const BASIC = `Basic ${Buffer.from('device:hunter2').toString('base64')}`;

const fetchToken = async (registry: string, options: Partial<RegistryTokenOptions> = {}): Promise<unknown> =>
  (
    await fetchRegistryToken({
      reference: { registry, repository: 'group/app', tag: '1' },
      credential,
      isInsecure: true,
      signal: new AbortController().signal,
      ...options,
    })
  )?.reveal();

const toChallenge = (address: string): string => `Bearer realm="http://${address}/token",service="plant"`;

/** A registry whose token endpoint answers with `body`. */
const startRegistry = (body: string, status = 200) =>
  startStubRegistry((request, response, address) =>
    challengeThenAnswer(request, response, { challenge: toChallenge(address), body, status }),
  );

/** A certificate for 127.0.0.1, and the CA that signed it, which is no root. */
async function issueEdgeCertificate() {
  const dir = await mkdtemp(join(tmpdir(), 'authority-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const issuer = await createCertificateAuthority({ dir, name: 'Company CA' });
  const authority = await createCertificateAuthority({ dir, name: 'Edge CA', issuer });
  const names = { commonName: 'site', ipAddresses: ['127.0.0.1'] };
  return { tls: await issueServerCertificate({ dir, authority, ...names }), ca: authority.certificatePem };
}

describe('a token', () => {
  test('is asked for with the scope of the one pull, the service, and the password in the header alone', async () => {
    const { address, requests } = await startRegistry('{"access_token":"jwt"}');
    expect(await fetchToken(address)).toBe('jwt');
    expect(requests.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual([
      ['GET', '/v2/', undefined],
      ['GET', '/token?service=plant&scope=repository%3Agroup%2Fapp%3Apull&account=device', BASIC],
    ]);
  });

  test('for everybody is asked for without a name or password', async () => {
    const { address, requests } = await startRegistry('{"token":"jwt"}');
    expect(await fetchToken(address, { credential: undefined })).toBe('jwt');
    expect(requests[1]?.headers.authorization).toBeUndefined();
    expect(requests[1]?.url).not.toContain('account');
  });

  test.each([
    ['{"access_token":"jwt"}', 'jwt'],
    ['{"token":"jwt"}', 'jwt'],
    ['{"token":"other","access_token":"jwt"}', 'jwt'],
    ['{"token":"jwt","access_token":""}', 'jwt'],
    ['{"token":"","access_token":7}', undefined],
    ['{}', undefined],
    ['null', undefined],
    ['[]', undefined],
    ['"jwt"', undefined],
    ['', undefined],
    ['<html>', undefined],
    [`{"token":"${'x'.repeat(200_000)}"}`, undefined],
  ])('is read from %.40s', async (body, token) => {
    const { address } = await startRegistry(body);
    expect(await fetchToken(address)).toBe(token);
  });

  test.each([401, 403, 302, 500])('is none where its endpoint answers %i', async (status) => {
    const { address } = await startRegistry('{"token":"jwt"}', status);
    expect(await fetchToken(address)).toBeUndefined();
  });

  test.each([
    ['without quotes', (at: string) => `bearer realm=http://${at}/token , service=plant`],
    ['after another', (at: string) => `Basic realm="x", Bearer service="plant",realm="http://${at}/token"`],
    ['before another', (at: string) => `Bearer realm="http://${at}/token",service="plant", Basic realm="x"`],
    ['with a query', (at: string) => `Bearer realm="http://${at}/token?service=old",service="plant"`],
  ])('is found by a challenge %s', async (_, toWords) => {
    const { address, requests } = await startStubRegistry((request, response, at) =>
      challengeThenAnswer(request, response, { challenge: toWords(at), body: '{"token":"jwt"}' }),
    );
    expect(await fetchToken(address)).toBe('jwt');
    expect(requests[1]?.url).toContain('?service=plant&');
  });

  test.each([
    'Basic realm="registry"',
    'Bearer',
    'Bearer service="x"',
    'Bearer realm="/token"',
    'Bearer realm=""',
  ])('is none for the challenge %s, and nobody gets the password', async (challenge) => {
    const { address, requests } = await startStubRegistry((request, response) =>
      challengeThenAnswer(request, response, { challenge, body: '{"token":"jwt"}' }),
    );
    expect(await fetchToken(address)).toBeUndefined();
    expect(requests.map(({ url }) => url)).toEqual(['/v2/']);
  });

  test.each([200, 404, 500])('is none where the registry asks for none: %i', async (status) => {
    const { address, requests } = await startStubRegistry((_, response) => response.writeHead(status).end());
    expect(await fetchToken(address)).toBeUndefined();
    expect(requests).toHaveLength(1);
  });
});

describe('a loopback address where nobody listens', () => {
  const findHost = async (): Promise<string> => '127.0.0.2';

  test.each(['plain HTTP', 'HTTPS'])('is the host’s: %s', async (scheme) => {
    const tls = scheme === 'HTTPS' ? (await issueEdgeCertificate()).tls : undefined;
    const site = await startAside({ auth: 'bearer', ...(tls === undefined ? {} : { tls }) });
    expect(await fetchToken(site.address, { findHost })).toBe('token-1');
    expect(new Set(site.requests.map((request) => request.host))).toEqual(new Set([site.address]));
  });

  test('is the host’s where the certificate is for the name that is written', async () => {
    const { tls, ca } = await issueEdgeCertificate();
    const site = await startAside({ auth: 'bearer', tls });
    expect(await fetchToken(site.address, { findHost, isInsecure: false, ca })).toBe('token-1');
  });

  test('of another machine is asked for nowhere else', async () => {
    const site = await startAside({ auth: 'bearer' });
    const address = site.address.replace('127.0.0.1', '0.0.0.0');
    expect(await fetchToken(address, { findHost })).toBeUndefined();
    expect(site.requests).toEqual([]);
  });
});

describe('an attacker', () => {
  test('who answers for the registry cannot lead the password to another host', async () => {
    const thief = await startRegistry('{"token":"jwt"}');
    const { address } = await startStubRegistry((request, response) =>
      challengeThenAnswer(request, response, { challenge: toChallenge(thief.address), body: '' }),
    );
    expect(await fetchToken(address)).toBeUndefined();
    expect(thief.requests).toEqual([]);
  });

  test.each(['redirect', 'user name'])('cannot lead it to another host by a %s either', async (way) => {
    const thief = await startRegistry('{"token":"jwt"}');
    const { address } = await startStubRegistry((request, response, at) => {
      const realm = way === 'redirect' ? `http://${at}/token` : `http://${at}@${thief.address}/token`;
      if (request.url === '/v2/') {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
      } else response.writeHead(307, { location: `http://${thief.address}/token` }).end();
    });
    expect(await fetchToken(address)).toBeUndefined();
    expect(thief.requests).toEqual([]);
  });

  test('who answers on another port of the same host gets no password', async () => {
    const thief = await startRegistry('{"token":"jwt"}');
    const realm = thief.address.replace('127.0.0.1', 'localhost');
    const { address } = await startStubRegistry((request, response) =>
      challengeThenAnswer(request, response, { challenge: toChallenge(realm), body: '' }),
    );
    expect(await fetchToken(address.replace('127.0.0.1', 'localhost'))).toBeUndefined();
    expect(thief.requests).toEqual([]);
  });

  test.each([
    ['that is not declared insecure', { isInsecure: false }],
    ['whose authority is known', { isInsecure: true, ca: 'of another' }],
  ])('gets nothing over plain HTTP in the place of a registry %s', async (_, options) => {
    const { address, requests } = await startRegistry('{"token":"jwt"}');
    expect(await fetchToken(address, options)).toBeUndefined();
    expect(requests).toEqual([]);
  });
});

describe('a CA that is no root, and signed the certificate', () => {
  async function startTlsSite() {
    const { tls, ca } = await issueEdgeCertificate();
    return { address: (await startSite({ auth: 'bearer', tls })).address, ca };
  }

  test('is trusted for a token', async () => {
    const { address, ca } = await startTlsSite();
    expect(await fetchToken(address, { isInsecure: false, ca })).toBe('token-1');
  });

  test('is trusted by the module’s own look at the certificate', async () => {
    const { address, ca } = await startTlsSite();
    const found = await probeRegistry(address, ca, new AbortController().signal);
    expect(found.tls).toMatchObject({ value: { kind: 'certificate', issuer: 'Edge CA' } });
    expect(found.tls).not.toHaveProperty('value.distrust');
  });
});

describe('a registry that does not answer', () => {
  test.each(['/v2/', '/token'])('at %s is waited for no longer than the limit', async (silent) => {
    const { address, requests } = await startStubRegistry((request, response, at) => {
      if (request.url?.startsWith(silent)) return;
      challengeThenAnswer(request, response, { challenge: toChallenge(at), body: '' });
    });
    // Long enough to come so far, and the test's own limit shows that it ends.
    expect(await fetchToken(address, { timeoutMs: 500 })).toBeUndefined();
    expect(requests.at(-1)?.url).toContain(silent);
  });

  test('is waited for no longer than the pull is wanted', async () => {
    const controller = new AbortController();
    const { address } = await startStubRegistry(() => controller.abort());
    expect(await fetchToken(address, { signal: controller.signal, timeoutMs: 60_000 })).toBeUndefined();
  });

  test('is no failure where nobody listens, or the name is none', async () => {
    expect(await fetchToken('127.0.0.1:1')).toBeUndefined();
    expect(await fetchToken('not an address')).toBeUndefined();
  });
});

test('a failure is logged without password and token', async () => {
  const lines: string[] = [];
  const note = (fields: object, message: string): void => void lines.push(JSON.stringify([fields, message]));
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const bodies = ['{"token":"a-very-secret-jwt"', '{"error":"device:hunter2"}', `{"tokens":"${BASIC}"}`];
  for (const body of bodies) {
    const { address } = await startRegistry(body);
    await fetchToken(address, { log });
  }
  const { address } = await startRegistry('{"token":"a-very-secret-jwt"}', 500);
  await fetchToken(address, { log });
  await fetchToken('127.0.0.1:1', { log });
  expect(lines).toHaveLength(5);
  expect(lines.join()).toContain('the token endpoint answered 500');
  expect(lines.join()).not.toMatch(/hunter2|a-very-secret|ZGV2aWNl/);
});
