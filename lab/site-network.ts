import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startProcess } from './processes.ts';

const run = promisify(execFile);

/** A network beside this machine's own, and a cable between the two: who listens there is another machine to all here. */
export interface SiteNetwork {
  /** Where the site is, for this machine: a private address that no route but the default one led to. */
  readonly address: string;
  /** Where this machine is, for the site. */
  readonly hostAddress: string;
  /** Of a process in it, for `openDoor`. */
  readonly pid: number;
  /** Takes the network away, and the cable with it. */
  close(): Promise<void>;
}

/** A cable's end stays in the network that it was laid to, and goes when that one does: `$1` leads to this program's. */
const SET_UP = `set -e
ip link set lo up
ip link add eth0 type veth peer name "$1" netns "$2"
ip address add "$3/30" dev eth0
ip link set eth0 up
echo laid
exec sleep infinity`;

const TRIES = 20;

/**
 * Makes such a network. Names and addresses are of random choice, so that any number can be there at a time, and it ends
 * with this program, however that ends. Needs root, `unshare` and `ip`.
 * @param dir - an existing folder, for a log
 * @throws with what the system says where it makes none
 */
export async function startSiteNetwork(dir: string): Promise<SiteNetwork> {
  const { address, hostAddress } = await findAddresses();
  const cable = `site-${randomBytes(4).toString('hex')}`;
  const logPath = join(dir, `${cable}.log`);
  const words = ['--net', 'sh', '-c', SET_UP, 'sh', cable, String(process.pid), address];
  const isReady = async (): Promise<boolean> => (await readFile(logPath, 'utf8')).endsWith('laid\n');
  const holder = await startProcess({ command: 'unshare', args: words, logPath, isReady });
  try {
    await run('ip', ['address', 'add', `${hostAddress}/30`, 'dev', cable]);
    await run('ip', ['link', 'set', cable, 'up']);
  } catch (error) {
    await holder.stop();
    throw error;
  }
  return { address, hostAddress, pid: holder.pid, close: () => holder.stop() };
}

/** The two hosts of a network of four addresses within 10.0.0.0/8. */
async function findAddresses(): Promise<Pick<SiteNetwork, 'address' | 'hostAddress'>> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const block = `10.${randomInt(256)}.${randomInt(256)}.`;
    const first = 4 * randomInt(64);
    const [hostAddress, address] = [`${block}${first + 1}`, `${block}${first + 2}`];
    if (!(await isInUse(hostAddress)) && !(await isInUse(address))) return { address, hostAddress };
  }
  throw new Error('this machine has routes to wherever a network might have been');
}

async function isInUse(address: string): Promise<boolean> {
  const { stdout } = await run('ip', ['-json', 'route', 'show', 'table', 'all', 'match', address]);
  const routes = JSON.parse(stdout === '' ? '[]' : stdout) as readonly { readonly dst: string }[];
  return routes.some(({ dst }) => dst !== 'default');
}
