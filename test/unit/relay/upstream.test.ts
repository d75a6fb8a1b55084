import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { BrokenConnection } from '#core/reason';
import { Secret } from '#core/secret';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import type { Certificate } from '#lab/certificates';
import { BusyRegistry } from '#relay/registry-failure';
import { createRegistryLine } from '#relay/registry-line';
import { startStubRegistry } from '#test/unit/adapters/stub-registry';
import { credential, drain, failureOf, makeUpstream, NEVER } from '#test/unit/relay/bench';
import { BASIC, makeBytes, PASSWORD, startAside, startSite, toDigest } from '#test/unit/relay/site';
import type { Site } from '#test/unit/relay/site';

const TYPE = 'application/vnd.oci.image.manifest.v1+json';
const MANIFEST = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: TYPE }));
const BLOB = makeBytes(200_000);

let dir = '';
let authority: Certificate;
let tls: Certificate;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'upstream-'));
  authority = await createCertificateAuthority({ dir, name: 'Site CA' });
  tls = await issueServerCertificate({
    dir,
    authority,
    commonName: 'site',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
});
afterAll(() => rm(dir, { recursive: true }));

const blobOf = (site: Site, fromByte = 0) => ({
  repository: 'group/app',
  digest: site.holdBlob(BLOB),
  fromByte,
});
const urlsOf = ({ requests }: Site): string[] => requests.map(({ method, url }) => `${method} ${url}`);
const toLine = (address: string) =>
  createRegistryLine({
    access: { address, credential: undefined },
    httpsAddresses: new Set(),
    findHost: async () => undefined,
    answerTimeoutMs: 300,
  });
const ca = (): string => authority.certificatePem;

/** A registry that answers as the test has it. */
async function startOdd(answer: RequestListener) {
  let open = 0;
  const server = createHttpServer(answer).on('connection', (socket) => {
    open += 1;
    socket.on('close', () => (open -= 1)).on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, openConnections: () => open };
}

describe('a login', () => {
  test.each(['bearer', 'basic', 'none'] as const)('with the right password succeeds: %s', async (auth) => {
    const site = await startSite({ auth });
    await expect(makeUpstream(site.address).login(NEVER)).resolves.toBeUndefined();
  });

  test('sends the password to the token endpoint alone', async () => {
    const site = await startSite({ auth: 'bearer' });
    await makeUpstream(site.address).login(NEVER);
    const basic = site.requests.filter(({ authorization }) => authorization === BASIC);
    expect(basic.map(({ url }) => url)).toEqual(['/token?service=site&account=device']);
  });

  test('without a password shows that a registry answers, and asks for no token', async () => {
    const site = await startSite({ auth: 'bearer' });
    const access = { address: site.address, credential: undefined };
    await makeUpstream(site.address, { access }).login(NEVER);
    expect(urlsOf(site)).toEqual(['GET /v2/']);
  });

  test('without a password asks for no token where an image had one either', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.holdManifest(MANIFEST, TYPE);
    const access = { address: site.address, credential: undefined };
    const upstream = makeUpstream(site.address, { access });
    await upstream.fetchManifest('group/app', '1', NEVER);
    site.faults.tokenStatus = 403;
    await expect(upstream.login(NEVER)).resolves.toBeUndefined();
  });

  test('without a password takes being forbidden for an answer, where no web page says it', async () => {
    let type = 'application/json';
    const { address } = await startOdd((_, response) => {
      response.writeHead(403, { 'content-type': type }).end('{"errors": [{"code": "DENIED"}]}');
    });
    const upstream = makeUpstream(address, { access: { address, credential: undefined } });
    await expect(upstream.login(NEVER)).resolves.toBeUndefined();
    type = 'text/html';
    expect(await failureOf(upstream.login(NEVER))).toMatchObject({ reason: 'RegistryError' });
  });

  test.each([
    [401, 'Unauthorized'],
    // A login asks for no right.
    [403, 'Unauthorized'],
    [429, 'RateLimited'],
    [503, 'RegistryError'],
  ])('that the token endpoint answers with %i fails as %s', async (tokenStatus, reason) => {
    const site = await startSite({ auth: 'bearer' });
    Object.assign(site.faults, { tokenStatus });
    expect(await failureOf(makeUpstream(site.address).login(NEVER))).toMatchObject({ reason });
  });

  test('with the wrong password fails, and no word of it is in what is said', async () => {
    const site = await startSite({ auth: 'basic' });
    const password = new Secret('a-wrong-one');
    const access = {
      address: site.address,
      credential: { name: 'password', username: 'device', password } as const,
    };
    const failure = await failureOf(makeUpstream(site.address, { access }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'Unauthorized' });
    expect(failure.message).not.toContain('a-wrong-one');
  });

  test('at an address where nobody listens fails as unreachable', async () => {
    const failure = await failureOf(
      makeUpstream('127.0.0.1:1', { findHost: async () => undefined }).login(NEVER),
    );
    expect(failure).toMatchObject({ reason: 'RegistryUnreachable' });
    expect(failure.message).toContain('127.0.0.1:1');
  });

  test('at what answers, and is no registry, fails', async () => {
    const { address } = await startOdd((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('It works!');
    });
    expect(await failureOf(makeUpstream(address).login(NEVER))).toMatchObject({
      reason: 'RegistryError',
      message: `${address} answers /v2/, and not as a registry does`,
    });
  });

  test('whose own token is refused fails, and is not tried for ever', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.tokens.add = () => site.tokens;
    expect(await failureOf(makeUpstream(site.address).login(NEVER))).toMatchObject({
      reason: 'Unauthorized',
      message: expect.stringContaining(`${site.address}: the registry refused its own token`),
    });
    expect(urlsOf(site)).toEqual(['GET /v2/', 'GET /token?service=site&account=device', 'GET /v2/']);
  });

  test.each([
    ['with a length', { 'content-length': 100 }],
    ['without one', {}],
  ])('is held up by no refusal whose body never ends, %s', async (_, length) => {
    const { address, openConnections } = await startOdd(({ headers }, response) => {
      if (headers.authorization === BASIC) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        return;
      }
      response.writeHead(401, { 'www-authenticate': 'Basic realm="site"', ...length }).write('no');
    });
    await expect(makeUpstream(address, { answerTimeoutMs: 5000 }).login(NEVER)).resolves.toBeUndefined();
    // The one that is kept.
    await expect.poll(openConnections).toBeLessThanOrEqual(1);
  });

  test('whose token breaks off in the middle fails as a connection that broke', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.isTokenCut = true;
    const failure = await failureOf(makeUpstream(site.address).login(NEVER));
    expect(failure).toBeInstanceOf(BrokenConnection);
    expect(failure.message).toContain(site.address);
  });

  test('at a registry that never answers ends in time', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await expect.poll(() => server.listening).toBe(true);
    const { port } = server.address() as AddressInfo;
    const failure = await failureOf(makeUpstream(`127.0.0.1:${port}`, { answerTimeoutMs: 200 }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryUnreachable' });
  });
});

describe('the login that a registry asks for', () => {
  test.each([
    ['a password alone', { auth: 'basic' }],
    ['none', { auth: 'none' }],
    ['a token from another place', { tokenPath: '/oauth2/token' }],
  ] as const)('is learned anew where its tokens are had no more: %s', async (_, change) => {
    const site = await startSite({ auth: 'bearer' });
    let nowMs = 0;
    const upstream = makeUpstream(site.address, { clock: { ...systemClock, steadyMs: () => nowMs } });
    await upstream.login(NEVER);
    Object.assign(site.faults, change);
    nowMs = 3_600_000;
    await failureOf(upstream.login(NEVER));
    await expect(upstream.login(NEVER)).resolves.toBeUndefined();
  });

  test('is learned anew where nobody listens any more who gave its tokens', async () => {
    const elsewhere = await startSite({ auth: 'bearer' });
    const site = await startSite({ auth: 'bearer' });
    site.faults.realm = `${elsewhere.origin}/token`;
    await elsewhere.close();
    const access = { address: site.address, credential: undefined };
    const upstream = makeUpstream(site.address, { access });
    await failureOf(upstream.openBlob(blobOf(site), NEVER));
    site.faults.auth = 'none';
    expect((await drain((await upstream.openBlob(blobOf(site), NEVER)).body)).equals(BLOB)).toBe(true);
  });

  test('is learned anew where it led elsewhere', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.realm = 'http://127.0.0.2/token';
    const upstream = makeUpstream(site.address);
    await failureOf(upstream.login(NEVER));
    site.faults.realm = undefined;
    await expect(upstream.login(NEVER)).resolves.toBeUndefined();
  });

  test('may be the password where a token was good before', async () => {
    const site = await startSite({ auth: 'bearer' });
    const upstream = makeUpstream(site.address);
    await upstream.login(NEVER);
    site.faults.auth = 'basic';
    await expect(upstream.login(NEVER)).resolves.toBeUndefined();
  });

  test('sees a wrong password once at each attempt', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.tokenStatus = 401;
    const upstream = makeUpstream(site.address);
    for (let attempt = 0; attempt < 3; attempt += 1) await failureOf(upstream.login(NEVER));
    expect(site.requests.filter(({ authorization }) => authorization === BASIC)).toHaveLength(3);
  });

  test('is not asked for again while the place of its tokens is merely busy', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.tokenStatus = 503;
    const upstream = makeUpstream(site.address);
    for (let attempt = 0; attempt < 3; attempt += 1) await failureOf(upstream.login(NEVER));
    expect(site.requests.filter(({ url }) => url === '/v2/')).toHaveLength(1);
  });
});

describe('a password', () => {
  test('is not sent to another origin, whatever the registry says', async () => {
    const thief = await startSite();
    const site = await startSite({ auth: 'bearer' });
    site.faults.realm = `${thief.origin}/token`;
    expect(await failureOf(makeUpstream(site.address).login(NEVER))).toMatchObject({
      reason: 'RegistryError',
    });
    expect(thief.requests).toEqual([]);
  });

  test('that there is none of lets tokens be had elsewhere', async () => {
    const elsewhere = await startSite({ auth: 'bearer' });
    const site = await startSite({ auth: 'bearer' });
    site.faults.realm = `${elsewhere.origin}/token`;
    site.tokens.add('token-1');
    const access = { address: site.address, credential: undefined };
    const answer = await makeUpstream(site.address, { access }).openBlob(blobOf(site), NEVER);
    expect((await drain(answer.body)).equals(BLOB)).toBe(true);
    expect(elsewhere.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('never goes from HTTPS to plain HTTP', async () => {
    const plain = await startSite();
    const site = await startSite({ auth: 'bearer', tls });
    site.faults.realm = `${plain.origin}/token`;
    const access = { address: site.address, credential: undefined, ca: ca() };
    const failure = await failureOf(makeUpstream(site.address, { access }).openBlob(blobOf(site), NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryInsecure' });
    expect(plain.requests).toEqual([]);
  });
});

test('tokens of before a failure are not tried where another is to be had', async () => {
  const site = await startSite({ auth: 'bearer' });
  site.faults.expiresIn = 3600;
  const upstream = makeUpstream(site.address);
  await upstream.login(NEVER);
  site.faults.isTokenCut = true;
  expect(await failureOf(upstream.openBlob(blobOf(site), NEVER))).toMatchObject({
    reason: 'RegistryUnreachable',
  });
  // It comes back with another key to sign by.
  site.faults.isTokenCut = false;
  site.tokens.clear();
  await expect(upstream.login(NEVER)).resolves.toBeUndefined();
});

describe('a registry that repeats the login it was sent', () => {
  test.each([
    ['the password, for a token', 'bearer', 401, 'Basic [secret] is device:[secret]'],
    ['the password', 'basic', 200, 'Basic [secret] is device:[secret]'],
    ['a token', 'bearer', 200, 'Bearer [secret]'],
  ] as const)('is not quoted with %s', async (_, auth, tokenStatus, words) => {
    const site = await startSite({ auth });
    Object.assign(site.faults, { repeatsLogin: true, tokenStatus, statuses: [403] });
    const failure = await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER));
    expect(failure.message).toContain(`(DENIED: not for ${words})`);
  });

  test('is told by its own address, though that holds the password', async () => {
    const site = await startSite({ auth: 'bearer' });
    const login = { name: 'password', username: 'device', password: new Secret('127') } as const;
    const upstream = makeUpstream(site.address, { access: { address: site.address, credential: login } });
    await upstream.login(NEVER);
    const question = blobOf(site);
    await site.close();
    // It is a token of its own that is asked for first.
    const { message } = await failureOf(upstream.openBlob(question, NEVER));
    expect(message).toContain(site.address);
  });

  test('is not quoted with the host that it leads to', async () => {
    const site = await startSite();
    site.faults.blobsAt = 'ftp://Hunter2.example';
    const login = { name: 'password', username: 'device', password: new Secret('Hunter2') } as const;
    const upstream = makeUpstream(site.address, { access: { address: site.address, credential: login } });
    const { message, stack } = (await failureOf(upstream.openBlob(blobOf(site), NEVER))) as Error;
    expect(message).toContain('leads to [secret].example');
    expect(stack).not.toMatch(/hunter2/i);
  });

  test('is not quoted with the host that it leads to and that cannot be reached', async () => {
    const site = await startSite();
    site.faults.blobsAt = 'http://127.0.0.3:1';
    const login = { name: 'password', username: 'device', password: new Secret('127.0.0.3') } as const;
    const access = { address: site.address, credential: login };
    const upstream = makeUpstream(site.address, { access, findHost: async () => undefined });
    const { message } = await failureOf(upstream.openBlob(blobOf(site), NEVER));
    expect(message).toBe(`${site.address}: connect ECONNREFUSED [secret]:1`);
  });
});

describe('a token', () => {
  test('is had once for each repository', async () => {
    const site = await startSite({ auth: 'bearer' });
    const upstream = makeUpstream(site.address);
    const question = blobOf(site);
    await Promise.all([1, 2, 3].map(async () => drain((await upstream.openBlob(question, NEVER)).body)));
    await drain((await upstream.openBlob({ ...question, repository: 'other' }, NEVER)).body);
    const tokens = site.requests.filter(({ url }) => url.startsWith('/token'));
    expect(tokens.map(({ url }) => new URL(url, site.origin).searchParams.get('scope'))).toEqual([
      'repository:group/app:pull',
      'repository:other:pull',
    ]);
  });

  test('is renewed before it ends', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.expiresIn = 300;
    let nowMs = 0;
    const upstream = makeUpstream(site.address, { clock: { ...systemClock, steadyMs: () => nowMs } });
    const ask = async () => drain((await upstream.openBlob(blobOf(site), NEVER)).body);
    const count = (): number => site.requests.filter(({ url }) => url.startsWith('/token')).length;
    await ask();
    nowMs = 289_000;
    await ask();
    expect(count()).toBe(1);
    nowMs = 291_000;
    await ask();
    expect(count()).toBe(2);
  });

  test('that the registry forgot is renewed at once', async () => {
    const site = await startSite({ auth: 'bearer' });
    const upstream = makeUpstream(site.address);
    await drain((await upstream.openBlob(blobOf(site), NEVER)).body);
    site.tokens.clear();
    expect((await drain((await upstream.openBlob(blobOf(site), NEVER)).body)).equals(BLOB)).toBe(true);
  });

  test('that gives no right to pull is told as such', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.isScopeMissing = true;
    const failure = await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER));
    expect(failure).toMatchObject({ reason: 'AccessDenied' });
  });

  test('that one caller no longer waits for is had for the others', async () => {
    const site = await startSite({ auth: 'bearer' });
    const upstream = makeUpstream(site.address);
    await upstream.login(NEVER);
    const gone = new AbortController();
    const question = blobOf(site);
    const first = failureOf(upstream.openBlob(question, gone.signal));
    const second = upstream.openBlob(question, NEVER);
    gone.abort(new Error('cancelled'));
    expect(await first).toMatchObject({ message: 'cancelled' });
    expect((await drain((await second).body)).equals(BLOB)).toBe(true);
  });
});

/** As Harbor does, whatever was sent: a challenge for a password, or none where it knows no such project. */
describe('a registry that asks whoever sends a token for something else', () => {
  const WORDS = '(UNAUTHORIZED: authentication required)';
  const passwordsOf = ({ requests }: Site): string[] =>
    requests.flatMap(({ url, authorization }) =>
      authorization === BASIC && !url.startsWith('/token') ? [url] : [],
    );
  async function startHarbor(toldToSenders = 'Basic realm="harbor"'): Promise<Site> {
    const site = await startSite({ auth: 'bearer' });
    Object.assign(site.faults, { toldToSenders, denied: 'secret/app' });
    site.holdManifest(MANIFEST, TYPE);
    return site;
  }

  test.each(['Basic realm="harbor"', ''])(
    'refuses the right to one repository in its own words: %j',
    async (toldToSenders) => {
      const site = await startHarbor(toldToSenders);
      const upstream = makeUpstream(site.address);
      await upstream.login(NEVER);
      for (const ask of [upstream.fetchManifest, upstream.headManifest, upstream.fetchManifest]) {
        expect(await failureOf(ask('secret/app', '1', NEVER))).toMatchObject({
          reason: 'AccessDenied',
          message: `${site.address}/secret/app: the token does not give the right to pull ${WORDS}`,
        });
      }
      await expect(upstream.fetchManifest('group/app', '1', NEVER)).resolves.toBeDefined();
      expect(passwordsOf(site)).toEqual([]);
      site.faults.denied = undefined;
      await expect(upstream.fetchManifest('secret/app', '1', NEVER)).resolves.toBeDefined();
    },
  );

  test.each(['a password', 'none'])('is asked for another token where one has ended: %s', async (login) => {
    const site = await startHarbor();
    const { address } = site;
    const access = { address, credential: login === 'none' ? undefined : credential };
    const upstream = makeUpstream(address, { access });
    await upstream.fetchManifest('group/app', '1', NEVER);
    site.tokens.clear();
    await expect(upstream.fetchManifest('group/app', '1', NEVER)).resolves.toBeDefined();
    expect(passwordsOf(site)).toEqual([]);
  });

  test('keeps the tokens of other repositories good', async () => {
    const site = await startHarbor();
    const upstream = makeUpstream(site.address);
    await upstream.fetchManifest('group/app', '1', NEVER);
    await failureOf(upstream.fetchManifest('secret/app', '1', NEVER));
    await upstream.fetchManifest('group/app', '1', NEVER);
    const tokens = site.requests.filter(({ url }) => url.includes('scope=repository%3Agroup'));
    expect(tokens).toHaveLength(1);
  });

  test('wants a user name and password of whoever has none', async () => {
    const site = await startHarbor();
    const access = { address: site.address, credential: undefined };
    const asked = makeUpstream(site.address, { access }).fetchManifest('secret/app', '1', NEVER);
    expect(await failureOf(asked)).toMatchObject({
      reason: 'Unauthorized',
      message: `${site.address}/secret/app: the registry asks for a user name and password ${WORDS}`,
    });
  });
});

test('a refusal that asks for no login is told in the registry’s own words', async () => {
  const { address } = await startStubRegistry((_, response) => {
    response.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': '' });
    response.end('{"errors": [{"code": "UNAUTHORIZED", "message": "project plnt not found"}]}');
  });
  expect(await failureOf(makeUpstream(address).fetchManifest('plnt/app', '1', NEVER))).toMatchObject({
    reason: 'Unauthorized',
    message: `${address}/plnt/app: the registry refused, and asks for no login it knows (UNAUTHORIZED: project plnt not found)`,
  });
});

test('a refusal whose words never end holds nobody up', async () => {
  const { address } = await startStubRegistry((_, response) => {
    response.writeHead(401, { 'content-type': 'application/json' }).write('{"errors": ');
  });
  expect(await failureOf(makeUpstream(address).fetchManifest('app', '1', NEVER))).toMatchObject({
    reason: 'Unauthorized',
  });
});

test('a token that the registry itself calls invalid says nothing of the right to pull', async () => {
  const site = await startSite({ auth: 'bearer' });
  const invalid = `Bearer realm="${site.origin}/token",service="site",error="invalid_token"`;
  Object.assign(site.faults, { denied: 'app', toldToSenders: invalid });
  const failure = await failureOf(makeUpstream(site.address).fetchManifest('app', '1', NEVER));
  expect(failure).toMatchObject({ reason: 'Unauthorized' });
  expect(failure.message).toContain('refused its own token (UNAUTHORIZED: ');
});

test('tokens that are had elsewhere by now are asked for there at once', async () => {
  const site = await startSite({ auth: 'bearer' });
  site.holdManifest(MANIFEST, TYPE);
  const former = await startSite({ auth: 'bearer' });
  site.faults.realm = `${former.origin}/token`;
  const access = { address: site.address, credential: undefined };
  const upstream = makeUpstream(site.address, { access });
  site.tokens.add('token-1');
  await upstream.fetchManifest('a', '1', NEVER);
  // The former place still gives some.
  site.tokens.clear();
  site.faults.realm = undefined;
  await expect(upstream.fetchManifest('b', '1', NEVER)).resolves.toBeDefined();
});

describe('a manifest', () => {
  test('is fetched by tag and by digest, and verified', async () => {
    const site = await startSite({ auth: 'bearer' });
    const digest = site.holdManifest(MANIFEST, TYPE);
    const upstream = makeUpstream(site.address);
    for (const name of ['1', digest]) {
      const { bytes, ...found } = await upstream.fetchManifest('group/app', name, NEVER);
      expect(found).toEqual({ digest, mediaType: TYPE });
      expect(Buffer.from(bytes).equals(MANIFEST)).toBe(true);
      const head = { digest, mediaType: TYPE, sizeBytes: MANIFEST.length };
      expect(await upstream.headManifest('group/app', name, NEVER)).toEqual(head);
    }
  });

  test('that is another than was asked for is refused', async () => {
    const site = await startSite();
    site.holdManifest(MANIFEST, TYPE);
    const server = makeUpstream(site.address);
    const digest = toDigest(Buffer.from('another'));
    site.faults.blobsAt = undefined;
    expect(await failureOf(server.fetchManifest('group/app', digest, NEVER))).toMatchObject({
      reason: 'NotFound',
    });
    site.holdManifest(Buffer.concat([MANIFEST, Buffer.from(' ')]), TYPE);
    const asked = `sha256:${'0'.repeat(64)}`;
    site.nameManifest(asked);
    expect(await failureOf(server.fetchManifest('group/app', asked, NEVER))).toMatchObject({
      reason: 'DigestMismatch',
    });
    expect(await failureOf(server.headManifest('group/app', asked, NEVER))).toMatchObject({
      reason: 'DigestMismatch',
    });
  });

  test('of which no header tells the digest is fetched for it', async () => {
    const site = await startSite();
    const digest = site.holdManifest(MANIFEST, TYPE);
    site.faults.tellsNoDigest = true;
    const upstream = makeUpstream(site.address);
    const head = { digest, mediaType: TYPE, sizeBytes: MANIFEST.length };
    expect(await upstream.headManifest('group/app', '1', NEVER)).toEqual(head);
    expect(urlsOf(site)).toEqual(['HEAD /v2/group/app/manifests/1', 'GET /v2/group/app/manifests/1']);
  });

  test('is known by its type, however that is written', async () => {
    const site = await startSite();
    const digest = site.holdManifest(MANIFEST, `${TYPE.replace('v1+json', 'V1+JSON')}; charset=utf-8`);
    const upstream = makeUpstream(site.address);
    expect(await upstream.headManifest('group/app', '1', NEVER)).toMatchObject({ digest, mediaType: TYPE });
    expect(await upstream.fetchManifest('group/app', '1', NEVER)).toMatchObject({ digest, mediaType: TYPE });
    expect(urlsOf(site)).toHaveLength(2);
  });

  test('whose registry tells no digest for it is refused, and what it tells is not quoted', async () => {
    const site = await startSite();
    const digest = site.holdManifest(MANIFEST, TYPE);
    site.faults.toldDigest = `\u009b2J${'x'.repeat(5000)}`;
    expect(await failureOf(makeUpstream(site.address).fetchManifest('group/app', '1', NEVER))).toMatchObject({
      reason: 'DigestMismatch',
      message: `${site.address}/group/app: the registry served ${digest} and told a Docker-Content-Digest that is none`,
    });
  });

  test('of a kind that engines have given up is told by its type, and what to do about it', async () => {
    const site = await startSite();
    const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    site.holdManifest(Buffer.from('{"schemaVersion": 1}'), `${type}; charset=utf-8`);
    const upstream = makeUpstream(site.address);
    for (const ask of [upstream.fetchManifest, upstream.headManifest]) {
      expect(await failureOf(ask('group/app', '1', NEVER))).toMatchObject({
        reason: 'RegistryError',
        message: expect.stringMatching(
          `is of type ${type.replace('+', '.')}, which .*push the image again`,
        ) as string,
      });
    }
  });

  test('that a registry says to be of a type with its password is told without it', async () => {
    const site = await startSite();
    site.holdManifest(Buffer.from('{}'), `application/${PASSWORD}`);
    const { message } = await failureOf(makeUpstream(site.address).fetchManifest('group/app', '1', NEVER));
    expect(message).toContain('of type application/[secret],');
  });

  test.each([
    ['a web page', Buffer.from('<html>'), 'text/html'],
    ['over 4 MiB', makeBytes(4 * 1024 * 1024 + 1), TYPE],
  ])('that is %s is none', async (_, bytes, mediaType) => {
    const site = await startSite();
    site.holdManifest(bytes, mediaType);
    const failure = await failureOf(makeUpstream(site.address).fetchManifest('group/app', '1', NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryError' });
  });

  test.each([400, 403, 404, 405, 501])(
    'that HEAD is answered for with %i is asked for by GET',
    async (status) => {
      const site = await startSite({ auth: 'bearer' });
      const digest = site.holdManifest(MANIFEST, TYPE);
      site.faults.headStatus = status;
      const head = { digest, mediaType: TYPE, sizeBytes: MANIFEST.length };
      expect(await makeUpstream(site.address).headManifest('group/app', '1', NEVER)).toEqual(head);
      const asked = urlsOf(site).filter((line) => line.includes('/manifests/'));
      // The first of all is for the login.
      expect(asked.slice(-2)).toEqual(['HEAD /v2/group/app/manifests/1', 'GET /v2/group/app/manifests/1']);
    },
  );

  test('that another host has no HEAD for is asked for by GET', async () => {
    const store = await startSite();
    const digest = store.holdManifest(MANIFEST, TYPE);
    store.faults.headStatus = 403;
    const { address } = await startStubRegistry(({ url }, response) =>
      response.writeHead(307, { location: `${store.origin}${url}` }).end(),
    );
    expect(await makeUpstream(address).headManifest('group/app', '1', NEVER)).toMatchObject({ digest });
  });

  test('that is refused to HEAD and GET is told in the registry’s own words', async () => {
    const site = await startSite();
    site.faults.headStatus = 403;
    site.faults.statuses = [403];
    const failure = await failureOf(makeUpstream(site.address).headManifest('group/app', '1', NEVER));
    expect(failure.message).toContain('403 (NO: fault)');
  });

  test.each([
    [429, undefined],
    [500, undefined],
    [502, undefined],
    [503, undefined],
    [404, '60'],
  ])('is not asked for by GET of a registry that is busy: %i', async (status, retryAfter) => {
    const site = await startSite();
    site.holdManifest(MANIFEST, TYPE);
    Object.assign(site.faults, { headStatus: status, retryAfter });
    await failureOf(makeUpstream(site.address).headManifest('group/app', '1', NEVER));
    expect(site.requests).toHaveLength(1);
  });

  test('is asked for by GET where the right to it is missing, for the registry’s words', async () => {
    const site = await startSite({ auth: 'bearer' });
    site.faults.isScopeMissing = true;
    expect(await failureOf(makeUpstream(site.address).headManifest('group/app', '1', NEVER))).toMatchObject({
      reason: 'AccessDenied',
      message: expect.stringContaining('(UNAUTHORIZED: authentication required)') as string,
    });
    const asked = urlsOf(site).filter((line) => line.includes('/manifests/'));
    expect(asked.at(-1)).toBe('GET /v2/group/app/manifests/1');
  });

  test.each([401, 403])(
    'is not asked for by GET where no token is had for the password: %i',
    async (status) => {
      const site = await startSite({ auth: 'bearer' });
      site.faults.tokenStatus = status;
      await failureOf(makeUpstream(site.address).headManifest('group/app', '1', NEVER));
      expect(urlsOf(site).map((line) => line.replace(/\?.*/, ''))).toEqual([
        'HEAD /v2/group/app/manifests/1',
        'GET /token',
      ]);
    },
  );

  test('is not asked for by GET where the password itself is refused', async () => {
    const site = await startSite({ auth: 'basic' });
    const wrong = { name: 'password', username: 'device', password: new Secret('wrong') } as const;
    const access = { address: site.address, credential: wrong };
    await failureOf(makeUpstream(site.address, { access }).headManifest('group/app', '1', NEVER));
    expect(site.requests.map(({ method }) => method)).toEqual(['HEAD', 'HEAD']);
  });

  test.each([
    [403, 'AccessDenied'],
    [404, 'NotFound'],
    [429, 'RateLimited'],
    [502, 'RegistryError'],
  ])('that is answered with %i fails as %s', async (status, reason) => {
    const site = await startSite();
    site.faults.statuses = [status, status, status];
    const upstream = makeUpstream(site.address);
    expect(await failureOf(upstream.fetchManifest('group/app', '1', NEVER))).toMatchObject({ reason });
    expect(await failureOf(upstream.headManifest('group/app', '1', NEVER))).toMatchObject({ reason });
  });

  test('that is refused in many words is told in few, on one line', async () => {
    const site = await startSite();
    site.faults.statuses = [403];
    site.faults.words = `not\r\nfor \u001b[31myou\u009b2J ${'x'.repeat(5000)}`;
    const { message } = await failureOf(makeUpstream(site.address).fetchManifest('group/app', '1', NEVER));
    const words = `NO: not for [31myou 2J ${'x'.repeat(200)}`.slice(0, 200);
    expect(message).toBe(`${site.address}/group/app: the registry answered 403 (${words})`);
  });

  test('that is refused with a body without end fails all the same', async () => {
    const { address, openConnections } = await startOdd((_, response) => {
      response.writeHead(500, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '.repeat(5000)), 5);
      response.on('close', () => clearInterval(timer));
    });
    const upstream = makeUpstream(address, { answerTimeoutMs: 5000 });
    const asked = upstream.fetchManifest('group/app', '1', NEVER);
    expect(await failureOf(asked)).toMatchObject({
      reason: 'RegistryError',
      message: `${address}/group/app: the registry answered 500`,
    });
    await expect.poll(openConnections).toBe(0);
  });

  test('that what stands before the registry has too many asked for is told as such, page or not', async () => {
    const site = await startSite();
    Object.assign(site.faults, { statuses: [429], contentType: 'text/html' });
    const asked = makeUpstream(site.address).fetchManifest('group/app', '1', NEVER);
    expect(await failureOf(asked)).toMatchObject({ reason: 'RateLimited' });
  });
});

describe('a blob', () => {
  test('begins where it is asked to', async () => {
    const site = await startSite();
    const answer = await makeUpstream(site.address).openBlob(blobOf(site, 150_000), NEVER);
    expect(answer).toMatchObject({ fromByte: 150_000, totalBytes: 200_000 });
    expect((await drain(answer.body)).equals(BLOB.subarray(150_000))).toBe(true);
    expect(site.requests.at(-1)?.range).toBe('bytes=150000-');
  });

  test('begins at its start where the registry knows no Range', async () => {
    const site = await startSite();
    site.faults.ignoresRange = true;
    const answer = await makeUpstream(site.address).openBlob(blobOf(site, 150_000), NEVER);
    expect(answer).toMatchObject({ fromByte: 0, totalBytes: 200_000 });
    expect((await drain(answer.body)).equals(BLOB)).toBe(true);
  });

  test('of which another part comes than the few bytes that were asked for is refused, and its connection ended', async () => {
    const { address, openConnections } = await startOdd((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-99/200', 'content-length': 1_000_000 });
      response.write('bytes');
    });
    const question = { repository: 'group/app', digest: toDigest(BLOB), fromByte: 7, lengthBytes: 4 };
    expect(await failureOf(makeUpstream(address).openBlob(question, NEVER))).toMatchObject({
      reason: 'RegistryError',
      message: `${address}: another part of the blob than was asked for`,
    });
    await expect.poll(openConnections).toBe(0);
  });

  test.each(['untold', 'another', 'refused'] as const)(
    'begins at its start where the registry answers oddly for a part: %s',
    async (oddRange) => {
      const site = await startSite();
      site.faults.oddRange = oddRange;
      const upstream = makeUpstream(site.address);
      const answer = await upstream.openBlob(blobOf(site, 150_000), NEVER);
      expect(answer).toMatchObject({ fromByte: 0, totalBytes: 200_000 });
      expect((await drain(answer.body)).equals(BLOB)).toBe(true);
      expect(site.requests.map(({ range }) => range)).toEqual(['bytes=150000-', undefined]);
    },
  );

  test('is not asked for whole where a few bytes were asked for, whatever the registry answers', async () => {
    const site = await startSite();
    site.faults.oddRange = 'untold';
    const question = { ...blobOf(site, 150_000), lengthBytes: 4 };
    const failure = await failureOf(makeUpstream(site.address).openBlob(question, NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryError' });
    expect(site.requests).toHaveLength(1);
  });

  test('that another host answers oddly for in part is asked of it whole', async () => {
    const store = await startSite();
    const site = await startSite();
    site.faults.blobsAt = store.origin;
    store.faults.oddRange = 'refused';
    store.holdBlob(BLOB);
    const answer = await makeUpstream(site.address).openBlob(blobOf(site, 150_000), NEVER);
    expect((await drain(answer.body)).equals(BLOB)).toBe(true);
  });

  test.each([301, 302, 303, 307, 308])(
    'follows a redirect with %i, and the token does not',
    async (redirectStatus) => {
      const store = await startSite();
      const site = await startSite({ auth: 'bearer' });
      Object.assign(site.faults, { blobsAt: store.origin, redirectStatus });
      store.holdBlob(BLOB);
      const answer = await makeUpstream(site.address).openBlob(blobOf(site, 7), NEVER);
      expect((await drain(answer.body)).equals(BLOB.subarray(7))).toBe(true);
      expect(store.requests).toMatchObject([{ authorization: undefined, range: 'bytes=7-' }]);
    },
  );

  test.each(['whole', 'by its path'])(
    'takes the token along within the registry, led there %s',
    async (how) => {
      const site = await startSite({ auth: 'bearer' });
      site.faults.blobsAt = how === 'whole' ? `${site.origin}/store` : '/store';
      const answer = await makeUpstream(site.address).openBlob(blobOf(site, 7), NEVER);
      expect((await drain(answer.body)).equals(BLOB.subarray(7))).toBe(true);
      expect(site.requests.at(-1)?.url).toMatch(/^\/store\/v2\//);
    },
  );

  test('leaves no connection behind where it is led elsewhere', async () => {
    const store = await startSite();
    const site = await startSite();
    site.faults.blobsAt = store.origin;
    store.holdBlob(BLOB);
    const upstream = makeUpstream(site.address);
    for (let turn = 0; turn < 5; turn += 1) await drain((await upstream.openBlob(blobOf(site), NEVER)).body);
    await expect.poll(() => site.openConnections()).toBeLessThanOrEqual(1);
  });

  test('does not follow redirects for ever', async () => {
    const site = await startSite();
    site.faults.blobsAt = site.origin;
    expect(await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER))).toMatchObject({
      reason: 'RegistryError',
    });
    expect(site.requests).toHaveLength(6);
  });

  test('does not follow a redirect from HTTPS to plain HTTP', async () => {
    const store = await startSite();
    const site = await startSite({ tls });
    site.faults.blobsAt = store.origin;
    const failure = await failureOf(makeUpstream(site.address, { ca: ca() }).openBlob(blobOf(site), NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryInsecure' });
    expect(store.requests).toEqual([]);
  });

  test.each([
    '127.0.0.1',
    'localhost',
    'a.localhost.',
    '[::1]',
    '0.0.0.0',
    '169.254.169.254',
    '2852039166',
    '[fe80::1]',
    '[::ffff:127.0.0.1]',
  ])('of a registry elsewhere is not asked for at %s', async (host) => {
    const line = toLine('plant.example:5000');
    const asked = line.askElsewhere(new URL(`https://${host}:9/`), { method: 'GET', headers: {} }, NEVER);
    expect(await failureOf(asked)).toMatchObject({
      reason: 'RegistryError',
      message: expect.stringMatching(/^plant\.example:5000 leads to .*this device/) as string,
    });
  });

  test.each(['127.0.0.1:5000', 'localhost', '169.254.7.7'])(
    'of a registry at %s may be on this device too',
    async (address) => {
      const url = new URL('https://127.0.0.1:9/');
      const asked = toLine(address).askElsewhere(url, { method: 'GET', headers: {} }, NEVER);
      expect(await failureOf(asked)).toMatchObject({ reason: 'RegistryUnreachable' });
    },
  );

  test('that another host refuses says nothing of the right to pull', async () => {
    const store = await startSite();
    const site = await startSite();
    site.faults.blobsAt = store.origin;
    store.faults.statuses = [403];
    const failure = await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryError' });
  });

  test('that another host wants a login for costs neither token nor password', async () => {
    const store = await startSite({ auth: 'bearer' });
    const site = await startSite({ auth: 'bearer' });
    site.faults.blobsAt = store.origin;
    store.holdBlob(BLOB);
    expect(await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER))).toMatchObject({
      reason: 'RegistryError',
    });
    expect(store.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('that another host has too many asked for is told as such', async () => {
    const store = await startSite();
    const site = await startSite();
    site.faults.blobsAt = store.origin;
    store.faults.statuses = [429];
    expect(await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER))).toMatchObject({
      reason: 'RateLimited',
    });
  });

  test('that another host is too busy for is told with how long that host wants to be left alone', async () => {
    const store = await startSite();
    const site = await startSite();
    site.faults.blobsAt = store.origin;
    Object.assign(store.faults, { statuses: [503], retryAfter: '37' });
    const failure = await failureOf(makeUpstream(site.address).openBlob(blobOf(site), NEVER));
    expect(failure).toBeInstanceOf(BusyRegistry);
    expect(failure).toMatchObject({ reason: 'RegistryError', retryAfterMs: 37_000 });
  });

  test('ends its connection when its reader leaves', async () => {
    const site = await startSite();
    site.faults.hangAfterBytes = 100;
    const { body } = await makeUpstream(site.address).openBlob(blobOf(site), NEVER);
    for await (const chunk of body) {
      expect(chunk).toHaveLength(100);
      break;
    }
    await expect.poll(() => site.openConnections()).toBe(0);
  });
});

describe('a registry’s scheme', () => {
  test('is HTTPS where the certificate is signed by the CA that was given', async () => {
    const site = await startSite({ auth: 'bearer', tls });
    const upstream = makeUpstream(site.address, { ca: ca() });
    await upstream.login(NEVER);
    expect(upstream.isPlainHttp).toBe(false);
  });

  test('is HTTPS where the certificate is signed by the CA that was given, which is no root', async () => {
    const edge = await createCertificateAuthority({ dir, name: 'Edge CA', issuer: authority });
    const names = { commonName: 'site', ipAddresses: ['127.0.0.1'] };
    const issued = await issueServerCertificate({ dir, authority: edge, ...names });
    const certificatePem = issued.certificatePem + edge.certificatePem;
    const site = await startSite({ auth: 'bearer', tls: { ...issued, certificatePem } });
    await expect(
      makeUpstream(site.address, { ca: edge.certificatePem }).login(NEVER),
    ).resolves.toBeUndefined();
  });

  test('is not trusted where nobody vouches for the certificate, and no password is sent', async () => {
    const site = await startSite({ auth: 'basic', tls });
    const failure = await failureOf(makeUpstream(site.address).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryUntrusted' });
    expect(site.requests).toEqual([]);
  });

  test('is not trusted where the certificate carries another name', async () => {
    const site = await startSite({ tls, listensAt: '127.0.0.2', host: '127.0.0.2' });
    const failure = await failureOf(makeUpstream(site.address, { ca: ca() }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryUntrusted' });
  });

  test('is not trusted by what is no certificate', async () => {
    const site = await startSite({ tls });
    const bad = '-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n';
    const failure = await failureOf(makeUpstream(site.address, { ca: bad }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryUntrusted' });
  });

  test('is plain HTTP where it speaks nothing else, and that is told', async () => {
    const site = await startSite({ auth: 'bearer' });
    const upstream = makeUpstream(site.address);
    await upstream.login(NEVER);
    expect(upstream.isPlainHttp).toBe(true);
  });

  test('is never plain HTTP where a CA is given', async () => {
    const site = await startSite();
    const failure = await failureOf(makeUpstream(site.address, { ca: ca() }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryInsecure' });
    expect(site.requests).toEqual([]);
  });

  test.each<[string, TlsOptions, string]>([
    ['shares no cipher', { maxVersion: 'TLSv1.2', ciphers: 'NULL-SHA256:@SECLEVEL=0' }, 'handshake failure'],
    [
      'speaks an old TLS only',
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
      'alert protocol version',
    ],
    ['wants a certificate', { requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' }, 'alert'],
  ])('is never plain HTTP where it %s', async (_, tlsRules, words) => {
    const site = await startSite({ tls, tlsRules });
    const failure = await failureOf(makeUpstream(site.address).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryError' });
    expect(failure.message).toMatch(/^127\.0\.0\.1:\d+: the TLS handshake failed: [a-z0-9/ ]+$/);
    expect(failure.message).toContain(words);
    expect(site.connections).toBe(1);
  });

  test('is never plain HTTP again where it was HTTPS', async () => {
    const site = await startSite({ tls });
    const httpsAddresses = new Set<string>();
    await makeUpstream(site.address, { ca: ca(), httpsAddresses }).login(NEVER);
    await site.close();
    const fallen = await startSite({ port: Number(site.address.split(':')[1]) });
    const failure = await failureOf(makeUpstream(site.address, { httpsAddresses }).login(NEVER));
    expect(failure).toMatchObject({ reason: 'RegistryInsecure' });
    expect(fallen.requests).toEqual([]);
  });

  test('may become HTTPS', async () => {
    const site = await startSite();
    const upstream = makeUpstream(site.address);
    await upstream.login(NEVER);
    await site.close();
    const risen = await startSite({ tls, port: Number(site.address.split(':')[1]) });
    await failureOf(upstream.login(NEVER));
    // The certificate is nobody's that is known, which shows that HTTPS was tried.
    expect(await failureOf(upstream.login(NEVER))).toMatchObject({ reason: 'RegistryUntrusted' });
    expect(risen.requests).toEqual([]);
  });
});

describe('a registry that spoke plain HTTP', () => {
  test('is spoken to in HTTPS first once it answers 400, as servers do that want TLS', async () => {
    const site = await startSite();
    const upstream = makeUpstream(site.address);
    await upstream.login(NEVER);
    site.faults.statuses = [400];
    await failureOf(upstream.fetchManifest('group/app', '1', NEVER));
    await site.close();
    const risen = await startSite({ tls, port: Number(site.address.split(':')[1]) });
    expect(await failureOf(upstream.login(NEVER))).toMatchObject({ reason: 'RegistryUntrusted' });
    expect(risen.requests).toEqual([]);
  });

  test('is spoken to in plain HTTP no more once another password was sent there in HTTPS', async () => {
    const site = await startSite();
    const httpsAddresses = new Set<string>();
    const upstream = makeUpstream(site.address, { httpsAddresses });
    await upstream.login(NEVER);
    const before = site.requests.length;
    httpsAddresses.add(site.address);
    expect(await failureOf(upstream.login(NEVER))).toMatchObject({ reason: 'RegistryInsecure' });
    expect(site.requests).toHaveLength(before);
  });
});

describe('a loopback address where nobody listens', () => {
  test.each(['127.0.0.1', 'localhost'])('is the host’s: %s', async (host) => {
    // The module's own loopback refuses; the host is elsewhere, under the registry's own name.
    const site = await startAside({ auth: 'bearer', tls, host });
    const upstream = makeUpstream(site.address, { ca: ca(), findHost: async () => '127.0.0.2' });
    await upstream.login(NEVER);
    expect(new Set(site.requests.map((request) => request.host))).toEqual(new Set([site.address]));
  });

  test('is the host’s over plain HTTP too', async () => {
    const site = await startAside({});
    const upstream = makeUpstream(site.address, { findHost: async () => '127.0.0.2' });
    await upstream.login(NEVER);
    expect(site.requests.map((request) => request.host)).toEqual([site.address]);
  });

  test('where somebody listens is not looked for at the host, whatever is wrong with it', async () => {
    const site = await startSite({ tls });
    let asked = 0;
    const findHost = async (): Promise<undefined> => void (asked += 1);
    const failure = await failureOf(makeUpstream(site.address, { findHost }).login(NEVER));
    expect([failure.reason, asked]).toEqual(['RegistryUntrusted', 0]);
  });

  test('of another machine is asked for nowhere else', async () => {
    const site = await startSite();
    const port = site.address.split(':')[1];
    const address = `192.0.2.1:${port}`;
    const failure = await failureOf(
      makeUpstream(address, { findHost: async () => '127.0.0.1', answerTimeoutMs: 300 }).login(NEVER),
    );
    expect(failure).toMatchObject({ reason: 'RegistryUnreachable' });
    expect(site.requests).toEqual([]);
  });
});
