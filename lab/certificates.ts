import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DAY_MS = 86_400_000;

/** A key pair and its X.509 certificate, as PEM files with their text. */
export interface Certificate {
  readonly certificatePath: string;
  readonly certificatePem: string;
  /** Unencrypted PKCS#8, readable by the owner alone. */
  readonly keyPath: string;
  readonly keyPem: string;
}

/** What {@link createCertificateAuthority} takes. */
export interface CertificateAuthorityOptions {
  /** An existing folder; a new one is made in it. */
  readonly dir: string;
  /** Common name, 1 to 64 of `A–Z a–z 0–9 space . _ -`. */
  readonly name: string;
  /** Default 30. */
  readonly days?: number;
  /** Who signs it; absent: it signs itself. */
  readonly issuer?: Certificate;
}

/** What {@link issueServerCertificate} takes. */
export interface ServerCertificateOptions {
  /** An existing folder; a new one is made in it. */
  readonly dir: string;
  readonly authority: Certificate;
  /** 1 to 64 of `A–Z a–z 0–9 space . _ - *`. Clients look at the alternative names only. */
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Counted from `notBefore`; a fraction is fine. Default 30. */
  readonly days?: number;
  /** Default one hour ago. With `days` it makes certificates that are expired or not valid yet. */
  readonly notBefore?: Date;
}

/**
 * Makes an authority with an ECDSA P-256 key that may sign servers' certificates.
 * @throws when `openssl` is missing or refuses.
 */
export async function createCertificateAuthority(options: CertificateAuthorityOptions): Promise<Certificate> {
  const dir = await mkdtemp(join(options.dir, 'authority-'));
  const certificatePath = join(dir, 'ca.pem');
  const keyPath = join(dir, 'ca.key');
  const { issuer } = options;
  await openssl(
    ['req', '-x509', '-config', await writeConfig(dir, []), '-extensions', 'authority'],
    [...newKey(keyPath), '-out', certificatePath, '-subj', subject(options.name)],
    ['-days', String(options.days ?? 30)],
    issuer === undefined ? [] : ['-CA', issuer.certificatePath, '-CAkey', issuer.keyPath],
  );
  return read(certificatePath, keyPath);
}

/**
 * Makes a server's ECDSA P-256 key and has `authority` sign it for the given names. `certificatePem` is the leaf alone,
 * which is a whole chain, as the authority is a root.
 * @throws when `openssl` is missing or refuses, or no name is given.
 */
export async function issueServerCertificate(options: ServerCertificateOptions): Promise<Certificate> {
  const names = [
    ...(options.dnsNames ?? []).map((name) => `DNS:${name}`),
    ...(options.ipAddresses ?? []).map((address) => `IP:${address}`),
  ];
  if (names.length === 0) throw new Error('a server certificate needs a DNS name or an IP address');
  const notBeforeMs = options.notBefore?.getTime() ?? Date.now() - 3_600_000;
  const notAfterMs = notBeforeMs + (options.days ?? 30) * DAY_MS;

  const dir = await mkdtemp(join(options.dir, 'server-'));
  const certificatePath = join(dir, 'server.pem');
  const keyPath = join(dir, 'server.key');
  const requestPath = join(dir, 'server.csr');
  const config = await writeConfig(dir, names);
  await writeFile(join(dir, 'index.txt'), '');
  await openssl(
    ['req', '-new', '-config', config, ...newKey(keyPath)],
    ['-out', requestPath, '-subj', subject(options.commonName)],
  );
  await openssl(
    ['ca', '-batch', '-notext', '-config', config, '-in', requestPath, '-out', certificatePath],
    ['-cert', options.authority.certificatePath, '-keyfile', options.authority.keyPath],
    ['-startdate', formatTime(notBeforeMs), '-enddate', formatTime(notAfterMs)],
  );
  return read(certificatePath, keyPath);
}

async function openssl(...words: string[][]): Promise<void> {
  await run('openssl', words.flat());
}

function newKey(keyPath: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyPath];
}

function subject(name: string): string {
  // A slash or a plus sign would start a further attribute.
  if (!/^[A-Za-z0-9 ._*-]{1,64}$/.test(name)) throw new Error(`not a common name: ${JSON.stringify(name)}`);
  return `/CN=${name}`;
}

/** `YYYYMMDDHHMMSSZ`, as `openssl ca` wants its dates. */
function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}

async function read(certificatePath: string, keyPath: string): Promise<Certificate> {
  const [certificatePem, keyPem] = await Promise.all([
    readFile(certificatePath, 'utf8'),
    readFile(keyPath, 'utf8'),
  ]);
  return { certificatePath, certificatePem, keyPath, keyPem };
}

// `openssl ca` rather than `x509 -req`: before OpenSSL 3.4 it is the only one that takes a start date.
async function writeConfig(dir: string, names: readonly string[]): Promise<string> {
  const path = join(dir, 'openssl.cnf');
  const config = `
[req]
distinguished_name = dn
prompt = no
[dn]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = issuer
[issuer]
database = ${join(dir, 'index.txt')}
new_certs_dir = ${dir}
rand_serial = yes
default_md = sha256
policy = any
email_in_dn = no
x509_extensions = server
[any]
commonName = supplied
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
${names.length > 0 ? `subjectAltName = ${names.join(', ')}` : ''}
`;
  await writeFile(path, config);
  return path;
}
