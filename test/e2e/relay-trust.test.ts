import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import { startRegistry } from '#lab/registry/registry';
import { LONG_WAIT, useRelayStage } from './relay-stage.ts';
import { makeImage, toObject } from './scene.ts';

/** It leads to this machine, and engines do not count it among the loopback addresses, where they trust anybody. */
const ELSEWHERE = '0.0.0.0';
const PASSWORD = 'site?>password~';

const onStage = useRelayStage();

test.each([
  ['whose authority only registryCredentials names', true],
  ['that speaks plain HTTP only', false],
])('nothing of the host is configured for a registry %s', async (_, isTls) => {
  const stage = onStage();
  const dir = join(stage.dir, `site-${String(isTls)}`);
  const authority = await createCertificateAuthority({ dir: stage.dir, name: 'Site CA' });
  const certificate = { dir: stage.dir, authority, commonName: 'site', ipAddresses: [ELSEWHERE] };
  const tls = isTls ? { tls: await issueServerCertificate(certificate) } : {};
  const site = await startRegistry({ dir, publicHost: ELSEWHERE, ...tls });
  try {
    site.scopeMaps.set('readers', ['repositories/app/content/read']);
    const password1 = { value: PASSWORD };
    site.tokens.set('site', { status: 'enabled', scopeMap: 'readers', passwords: { password1 } });
    const { digest } = await site.push(await makeImage([`site-${String(isTls)}`]), 'app', '1');
    const reference = `${site.address}/app:1`;
    const login = { username: 'site', password: PASSWORD };
    // Or the test would show nothing.
    expect((await stage.engine.pull(reference, { credentials: login })).error).toBeDefined();

    const ca = isTls ? { ca: authority.certificatePem } : {};
    stage.desire({ app: reference }, {}, { site: { address: site.address, ...login, ...ca } });
    stage.startModule();
    await stage.waitForReady(LONG_WAIT.timeout);
    expect(stage.image('app')).toMatchObject({ phase: 'Pulled', transport: 'relay', digest });
    expect((await stage.engine.images()).map(({ references }) => references)).toEqual([[reference]]);
    const { description } = toObject(stage.edge.reported()['lastDesiredStatus']);
    if (isTls) expect(description).not.toContain('plain HTTP');
    else expect(description).toContain('registryCredentials.site: speaks plain HTTP');
    await stage.engine.remove(reference);
    await stage.edge.waitForReported(
      () => Number(stage.image('app')['evictions'] ?? 0) > 0,
      LONG_WAIT.timeout,
    );
    await stage.waitForReady(LONG_WAIT.timeout);
    expect((await stage.engine.images()).map(({ references }) => references)).toEqual([[reference]]);
  } finally {
    await stage.module?.stop();
    await site.close();
  }
});
