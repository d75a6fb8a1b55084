import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * An address that is this machine's own and not on loopback, which engines treat otherwise; of a block that is no
 * network's. It is there in a namespace only.
 * @see https://www.rfc-editor.org/rfc/rfc5737
 */
export const SITE_ADDRESS = '192.0.2.1';

const MARK = 'LAB_NAMESPACE';
const HOSTS = '/etc/hosts';
const DOCKER = '/etc/docker';

/**
 * What is mounted goes with the last process, and nothing of it is seen outside. Names that are not in the private
 * /etc/hosts are refused at once.
 */
const SET_UP = `set -e
ip link set lo up
ip address add ${SITE_ADDRESS}/32 dev lo
mkdir -p ${DOCKER}
mount -t tmpfs tmpfs ${DOCKER}
cp ${HOSTS} ${DOCKER}/.hosts
echo 'nameserver 127.0.0.1' > ${DOCKER}/.resolv.conf
mount --bind ${DOCKER}/.hosts ${HOSTS}
mount --bind ${DOCKER}/.resolv.conf /etc/resolv.conf
exec "$@"`;

/**
 * The words that come before a command's own and run it in a network and a mount namespace: on loopback and
 * {@link SITE_ADDRESS}, with `/etc/hosts`, `/etc/resolv.conf` and `/etc/docker` of its own. Needs root, `unshare` and
 * `ip`.
 */
export const NAMESPACE_WORDS: readonly string[] = [
  'unshare',
  '--net',
  '--mount',
  '--propagation=private',
  '--',
  'env',
  `${MARK}=own`,
  'sh',
  '-c',
  SET_UP,
  'sh',
];

/**
 * Lets a name lead to an address, for the engine and the module, from now on.
 * @throws outside of a namespace: the machine's own names are not to be changed
 */
export async function addName(name: string, address: string): Promise<void> {
  requireNamespace();
  await appendFile(HOSTS, `${address} ${name}\n`);
}

/** Lets a name lead nowhere. @throws outside of a namespace */
export async function removeName(name: string): Promise<void> {
  requireNamespace();
  const lines = (await readFile(HOSTS, 'utf8')).split('\n');
  // The file is mounted: it is written, and not replaced.
  await writeFile(HOSTS, lines.filter((line) => !line.endsWith(` ${name}`)).join('\n'));
}

/**
 * Has engines of this namespace trust a certificate authority for one registry, as an operator would; at once.
 * @throws outside of a namespace: the machine's own engine is not to trust it
 */
export async function trustAuthority(address: string, certificatePem: string): Promise<void> {
  requireNamespace();
  const dir = join(DOCKER, 'certs.d', address);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'ca.crt'), certificatePem);
}

/**
 * Lets no packet to or from a TCP port through, as a link that died does: nobody is told.
 * @returns lets them through again
 * @throws outside of a namespace
 */
export async function cutLink(port: number): Promise<() => Promise<void>> {
  requireNamespace();
  const change = async (word: '--append' | '--delete'): Promise<void> => {
    for (const end of ['--dport', '--sport']) {
      await run('iptables', ['-w', word, 'INPUT', '-p', 'tcp', end, String(port), '-j', 'DROP']);
    }
  };
  await change('--append');
  return () => change('--delete');
}

function requireNamespace(): void {
  if (process.env[MARK] !== 'own') throw new Error('this wants a namespace of its own: npm run test:faults');
}
