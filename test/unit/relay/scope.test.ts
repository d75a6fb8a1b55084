import { expect, it } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import { Secret } from '#core/secret';
import { createUpstream } from '#relay/upstream';
import { makeBytes, PASSWORD, startSite, USERNAME } from './site.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

it.each(['a token without the scope', 'status 403'])(
  'a scope that is granted after %s is seen by the next question',
  async (refusal) => {
    const site = await startSite({ auth: 'bearer' });
    const digest = site.holdManifest(makeBytes(100), OCI_MANIFEST);
    const upstream = createUpstream({
      access: {
        address: site.address,
        credential: { name: 'password', username: USERNAME, password: new Secret(PASSWORD) },
      },
      httpsAddresses: new Set(),
      clock: systemClock,
    });
    const head = (): Promise<unknown> =>
      upstream.headManifest('acme/app', digest, AbortSignal.timeout(10_000));
    await head();
    const tokenRequests = (): number => site.requests.filter(({ url }) => url.includes('scope=')).length;
    const before = tokenRequests();
    if (refusal === 'status 403') {
      site.faults.headStatus = 403;
      site.faults.statuses.push(403);
    } else {
      site.faults.isScopeMissing = true;
      site.tokens.clear();
    }
    await expect(head()).rejects.toMatchObject({ reason: 'AccessDenied' });
    Object.assign(site.faults, { isScopeMissing: false, headStatus: undefined });
    await head();
    // After HEAD the question is asked once more, by GET.
    expect(tokenRequests()).toBe(before + 2);
  },
);
