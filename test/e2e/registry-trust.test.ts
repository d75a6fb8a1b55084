import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import { callEngineJson } from '#lab/engine/engine-api';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import { REGISTRY_HOST, startTestEngine } from '#test/engine-under-test';
import { makeImage, startScene } from './scene.ts';
import type { Scene } from './scene.ts';

/** It leads to this machine, and engines do not count it among the loopback addresses, where they trust anybody. */
const ELSEWHERE = '0.0.0.0';

/** What an engine with the containerd store says when it cannot fetch a token. */
const CANNOT_FETCH = /fetch.* token.*certificate signed by unknown authority/;

interface Site {
  readonly host: string;
  /** Whether a certificate is shown, of the site's own authority. */
  readonly isTls: boolean;
  /** Whether the authority is in the engine's certs.d and in `registryCredentials`. */
  readonly isTrusted?: boolean;
  /** Whether the engine's configuration names the registry among the insecure ones. */
  readonly isInsecure?: boolean;
  /** What the engine with the containerd store says of a pull that it fetches the token for; nothing where it succeeds. */
  readonly saysContainerd: RegExp | undefined;
}

interface Trust {
  readonly scene: Scene;
  readonly site: Registry;
  /** The entry for `registryCredentials`. */
  readonly access: { readonly address: string; readonly username: string; readonly password: string };
}

const PASSWORD = 'site?>password~';

/** A scene with a second registry, which the engine trusts by what the site says. */
async function startTrust({ host, isTls, isTrusted, isInsecure }: Site): Promise<Trust> {
  const dir = await mkdtemp(join(tmpdir(), 'trust-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const authority = await createCertificateAuthority({ dir, name: 'Site CA' });
  const tls = isTls
    ? await issueServerCertificate({ dir, authority, commonName: 'site', ...toNames(host) })
    : undefined;
  const site = await startRegistry({
    dir: join(dir, 'site'),
    publicHost: host,
    ...(tls === undefined ? {} : { tls }),
  });
  onTestFinished(() => site.close());
  site.scopeMaps.set('readers', ['repositories/app/content/read']);
  site.tokens.set('site', {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: PASSWORD } },
  });
  await site.push(await makeImage(['site']), 'app', '1');

  const etcDir = join(dir, 'etc');
  const certsDir = join(etcDir, 'certs.d', site.address);
  await mkdir(isTrusted === true ? certsDir : etcDir, { recursive: true });
  if (isTrusted === true) await writeFile(join(certsDir, 'ca.crt'), authority.certificatePem);
  const config = isInsecure === true ? { 'insecure-registries': [site.address] } : {};
  const scene = await startScene({
    startEngine: (options) => startTestEngine({ ...options, etcDir, config }),
  });
  const ca = isTrusted === true ? { ca: authority.certificatePem } : {};
  return { scene, site, access: { address: site.address, username: 'site', password: PASSWORD, ...ca } };
}

const toNames = (host: string): { readonly dnsNames?: string[]; readonly ipAddresses?: string[] } =>
  isIP(host) === 0 ? { dnsNames: [host] } : { ipAddresses: [host] };

async function isContainerd({ engine }: Scene): Promise<boolean> {
  const info = JSON.stringify(await callEngineJson(engine.dockerHost, { path: '/info' }));
  return info.includes('io.containerd.snapshotter.v1');
}

/** The engine's containerd store asks for tokens by POST, and nobody else does. */
const toPosts = ({ requests }: Registry): string[] =>
  requests.flatMap(({ method, path }) => (method === 'POST' ? [path] : []));

test.each<[string, Site]>([
  [
    'whose private authority is in certs.d',
    { host: ELSEWHERE, isTls: true, isTrusted: true, saysContainerd: CANNOT_FETCH },
  ],
  [
    'without a certificate that the engine may trust, by insecure-registries',
    { host: ELSEWHERE, isTls: true, isInsecure: true, saysContainerd: CANNOT_FETCH },
  ],
  [
    'over plain HTTP, by insecure-registries',
    { host: ELSEWHERE, isTls: false, isInsecure: true, saysContainerd: undefined },
  ],
  ['over plain HTTP on loopback', { host: REGISTRY_HOST, isTls: false, saysContainerd: undefined }],
  [
    'on loopback with a certificate that nobody vouches for',
    { host: REGISTRY_HOST, isTls: true, saysContainerd: CANNOT_FETCH },
  ],
])('a registry %s is pulled from on either image store', async (_, options) => {
  const { scene, site, access } = await startTrust(options);
  const { engine, desire, startModule, waitForReady, image } = scene;
  const reference = `${site.address}/app:1`;
  const ownToken = await isContainerd(scene);

  const { error } = await engine.pull(reference, { credentials: access });
  if (ownToken && options.saysContainerd !== undefined) expect(error).toMatch(options.saysContainerd);
  else expect(error).toBeUndefined();
  // What follows tells the module's token from the engine's own.
  expect(toPosts(site).length > 0).toBe(ownToken && error === undefined);
  await engine.removeAllImages();
  const before = { posts: toPosts(site).length, tokens: site.tokenRequests.length };

  desire({ app: reference }, {}, { site: access });
  startModule();
  await waitForReady();

  expect(image('app')).toMatchObject({ phase: 'Pulled' });
  expect(toPosts(site)).toHaveLength(before.posts);
  expect(site.tokenRequests.slice(before.tokens)).toContainEqual(
    expect.objectContaining({ account: 'site', scope: 'repository:app:pull', ok: true }),
  );
});

test('a registry whose private authority the engine does not know gets no password', async () => {
  const { scene, site, access } = await startTrust({
    host: ELSEWHERE,
    isTls: true,
    saysContainerd: undefined,
  });
  const { desire, startModule, waitForPhases } = scene;
  desire({ app: `${site.address}/app:1` }, {}, { site: access });
  startModule();
  await waitForPhases({ app: 'Failed RegistryUntrusted' });
  expect(site.requests).toEqual([]);
});
