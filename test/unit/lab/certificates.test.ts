import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'certificates-'));
});
afterAll(() => rm(dir, { recursive: true }));

test('a server certificate is signed by its authority, for the names asked and no others', async () => {
  const authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  const issued = await issueServerCertificate({
    dir,
    authority,
    commonName: 'registry',
    dnsNames: ['localhost', 'registry.plant'],
    ipAddresses: ['127.0.0.1'],
  });
  const certificate = new X509Certificate(issued.certificatePem);
  const root = new X509Certificate(authority.certificatePem);
  expect(root.ca).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.verify(root.publicKey)).toBe(true);
  expect(certificate.checkIssued(root)).toBe(true);
  expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  expect(certificate.checkHost('registry.plant')).toBe('registry.plant');
  expect(certificate.checkHost('elsewhere.plant')).toBeUndefined();
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect((await stat(issued.keyPath)).mode & 0o077).toBe(0);
});

test('an expired certificate can be issued, by a start in the past', async () => {
  const authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  const notBefore = new Date('2020-01-01T00:00:00Z');
  const issued = await issueServerCertificate({
    dir,
    authority,
    commonName: 'registry',
    dnsNames: ['localhost'],
    notBefore,
    days: 2,
  });
  const certificate = new X509Certificate(issued.certificatePem);
  expect(certificate.validFromDate).toEqual(notBefore);
  expect(certificate.validToDate).toEqual(new Date('2020-01-03T00:00:00Z'));
});

test('a common name that would smuggle in another attribute is refused', async () => {
  await expect(createCertificateAuthority({ dir, name: 'x/O=y' })).rejects.toThrow('not a common name');
});
