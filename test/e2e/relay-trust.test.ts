import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import { openDoor } from '#lab/engine/doors';
import type { Door } from '#lab/engine/doors';
import { callEngineJson } from '#lab/engine/engine-api';
import { ensurePrerequisites } from '#lab/prerequisites';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import { startSiteNetwork } from '#lab/site-network';
import { LONG_WAIT, useRelayStage } from './relay-stage.ts';
import type { RelayStage } from './relay-stage.ts';
import { makeImage, toObject } from './scene.ts';

const PASSWORD = 'site?>password~';
const LAYER_BYTES = 1_000_000;

beforeAll(() => ensurePrerequisites({ ip: 'iproute2' }));
const onStage = useRelayStage();

interface Site {
  readonly registry: Registry;
  /** Of its certificate, where it speaks HTTPS. */
  readonly ca: string | undefined;
  readonly door: Door;
  /** This machine's address, as the site sees it. */
  readonly hostAddress: string;
}

/** A registry in a network of its own, at an address that this machine never had to do with. */
async function startSite({ dir }: RelayStage, { isTls }: { readonly isTls: boolean }): Promise<Site> {
  const network = await startSiteNetwork(dir);
  onTestFinished(() => network.close());
  const { address: publicHost, hostAddress, pid } = network;
  const authority = await createCertificateAuthority({ dir, name: 'Site CA' });
  const certificate = { dir, authority, commonName: 'site', ipAddresses: [publicHost] };
  const tls = isTls ? { tls: await issueServerCertificate(certificate) } : {};
  const registry = await startRegistry({ dir: join(dir, `site-${String(isTls)}`), publicHost, ...tls });
  onTestFinished(() => registry.close());
  const port = Number(registry.address.split(':')[1]);
  const door = await openDoor({ pid, host: publicHost, port });
  onTestFinished(() => door.close());
  registry.scopeMaps.set('readers', ['repositories/app/content/read']);
  const password1 = { value: PASSWORD };
  registry.tokens.set('site', { status: 'enabled', scopeMap: 'readers', passwords: { password1 } });
  return { registry, ca: isTls ? authority.certificatePem : undefined, door, hostAddress };
}

test.each([
  ['whose authority only registryCredentials names', true, /x509: certificate signed by unknown authority/],
  ['that speaks plain HTTP only', false, /server gave HTTP response to HTTPS client/],
])('nothing of the host is configured for a registry elsewhere %s', async (_, isTls, refusal) => {
  const stage = onStage();
  const { engine } = stage;
  const { registry, ca, door, hostAddress } = await startSite(stage, { isTls });
  onTestFinished(async () => {
    await stage.module?.stop();
  });
  const { digest } = await registry.push(await makeImage([`site-${String(isTls)}`], LAYER_BYTES), 'app', '1');
  const reference = `${registry.address}/app:1`;
  const login = { username: 'site', password: PASSWORD };
  const pullByEngine = async (): Promise<string | undefined> =>
    (await engine.pull(reference, { credentials: login })).error;
  const listNames = async (): Promise<unknown> => (await engine.images()).map(({ references }) => references);
  // Or the test would show nothing.
  expect(await pullByEngine()).toMatch(refusal);

  const access = { address: registry.address, ...login, ...(ca === undefined ? {} : { ca }) };
  stage.desire({ app: reference }, {}, { site: access });
  stage.startModule();
  await stage.waitForReady(LONG_WAIT.timeout);
  expect(stage.image('app')).toMatchObject({ phase: 'Pulled', transport: 'relay', digest });
  expect(await listNames()).toEqual([[reference]]);
  expect(door.bytesTo.get(hostAddress)).toBeGreaterThan(LAYER_BYTES);
  const { description } = toObject(stage.edge.reported()['lastDesiredStatus']);
  if (isTls) expect(description).not.toContain('plain HTTP');
  else expect(description).toContain('registryCredentials.site: speaks plain HTTP');

  await engine.remove(reference);
  await stage.edge.waitForReported(() => Number(stage.image('app')['evictions'] ?? 0) > 0, LONG_WAIT.timeout);
  await stage.waitForReady(LONG_WAIT.timeout);
  expect(await listNames()).toEqual([[reference]]);
  // It is as strict as it was.
  expect(await pullByEngine()).toMatch(refusal);
  const engineInfo = await callEngineJson(engine.dockerHost, { path: '/info' });
  expect(JSON.stringify(engineInfo)).not.toContain(registry.address);
});
