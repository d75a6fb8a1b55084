import { expect, it } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { Secret } from '#core/secret';
import { createBlobs } from '#relay/blobs';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import type { Upstream } from '#relay/upstream';
import { makeBytes, PASSWORD, startSite, USERNAME } from './site.ts';
import type { Site } from './site.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const signal = AbortSignal.timeout(30_000);

const openUpstream = ({ address }: Site): Upstream =>
  createUpstream({
    access: {
      address,
      credential: { name: 'password', username: USERNAME, password: new Secret(PASSWORD) },
    },
    httpsAddresses: new Set(),
    clock: systemClock,
  });

it('questions in a row, and blobs, share a connection', async () => {
  const site = await startSite({ auth: 'bearer' });
  const manifest = site.holdManifest(makeBytes(100), OCI_MANIFEST);
  const bytes = makeBytes(300_000);
  const blob = site.holdBlob(bytes);
  const upstream = openUpstream(site);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const blobs = createBlobs({ bucket: createTokenBucket(systemClock), clock: systemClock, log });
  await upstream.login(signal);
  for (let round = 0; round < 3; round += 1) {
    await upstream.headManifest('acme/app', manifest, signal);
    await upstream.fetchManifest('acme/app', manifest, signal);
    const source = { upstream, repository: 'acme/app' };
    const read = {
      digest: blob,
      sizeBytes: bytes.length,
      fromByte: 0,
      source,
      stallTimeoutMs: 10_000,
      signal,
    };
    for await (const piece of blobs.read(read)) expect(piece.length).toBeGreaterThan(0);
  }
  // The next question may come before the last answer's connection is free.
  expect(site.requests.length).toBeGreaterThanOrEqual(12);
  expect(site.connections).toBeLessThanOrEqual(4);
});

it('a kept connection that the registry has closed meanwhile costs another one, and no failure', async () => {
  const site = await startSite({ auth: 'bearer' });
  const manifest = site.holdManifest(makeBytes(100), OCI_MANIFEST);
  const upstream = openUpstream(site);
  for (let round = 0; round < 5; round += 1) {
    await upstream.headManifest('acme/app', manifest, signal);
    // As a registry that restarts does: nobody is told before the next question.
    site.breakConnections();
  }
  expect(site.connections).toBeGreaterThanOrEqual(5);
});
