import { readFile } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { endianness, networkInterfaces } from 'node:os';
import { join } from 'node:path';

/** Where the relay listens. */
export interface Place {
  /** An IPv4 address of this network. */
  readonly address: string;
  /** The only address that connections are taken from there; absent: any. */
  readonly onlyFrom?: string | undefined;
}

/** Where the kernel and Node are asked about the network; for tests. */
export interface NetworkSources {
  /** In the place of `/`. */
  readonly root?: string;
  readonly interfaces?: Readonly<Record<string, readonly InterfaceAddress[] | undefined>>;
}

interface InterfaceAddress {
  readonly address: string;
  readonly family: string;
  readonly internal: boolean;
}

const LOOPBACK: Place = { address: '127.0.0.1' };

/**
 * Loopback; and in a container of a bridge network its address there, for its gateway alone: as that one comes what is
 * sent to a port that is published on the host's own loopback. Neighbours in the network come as themselves.
 */
export async function listPlaces({
  root = '/',
  interfaces = networkInterfaces(),
}: NetworkSources = {}): Promise<readonly Place[]> {
  const gateways = parseGateways(await readText(join(root, 'proc/net/route')));
  const places: Place[] = [LOOPBACK];
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    const gateway = gateways.get(name);
    const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
    if (gateway === undefined || own === undefined) continue;
    if (await isVeth(join(root, 'sys/class/net', name)))
      places.push({ address: own.address, onlyFrom: gateway });
  }
  return places;
}

/** As Docker's documentation has it, and the deployment's `ExtraHosts`. */
const HOST_NAME = 'host.docker.internal';

/**
 * The host's address, as a container's hosts file has it; undefined where it does not. DNS is not asked: whoever answers
 * there for the name would be sent what is meant for this machine alone.
 */
export async function findHost({ root = '/' }: Pick<NetworkSources, 'root'> = {}): Promise<
  string | undefined
> {
  const text = await readText(join(root, 'etc/hosts'));
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (isIP(address) !== 0 && names.some((name) => name.toLowerCase() === HOST_NAME)) return address;
  }
  return undefined;
}

const NEAR = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const) {
  NEAR.addSubnet(net, prefix, 'ipv4');
}
NEAR.addSubnet('::', 127, 'ipv6');
NEAR.addSubnet('fe80::', 10, 'ipv6');

/**
 * Whether a host is this machine or a neighbour on the wire, by what is written: loopback, link-local, unspecified. Names
 * are not looked up.
 *
 * @param host - IPv6 in brackets
 */
export function isNear(host: string): boolean {
  const name = host.replaceAll(/[[\]]/g, '');
  const version = isIP(name);
  if (version === 0) return /(?:^|\.)localhost\.?$/i.test(name);
  return NEAR.check(name, version === 4 ? 'ipv4' : 'ipv6');
}

/** Whether an interface is one end of a pair whose other end is elsewhere, as a container's is. */
async function isVeth(folder: string): Promise<boolean> {
  const [index, link, event] = await Promise.all(
    ['ifindex', 'iflink', 'uevent'].map((name) => readText(join(folder, name))),
  );
  // VLANs, bridges, tunnels and the like have a type; the machine's own cards link to themselves.
  return index !== '' && link !== '' && index !== link && event !== '' && !/^DEVTYPE=/m.test(event ?? '');
}

const GATEWAY_FLAG = 0x2;

/**
 * Default gateways by interface, from `/proc/net/route`: its addresses are hexadecimal, in the machine's byte order.
 *
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 */
export function parseGateways(
  table: string,
  isLittleEndian = endianness() === 'LE',
): ReadonlyMap<string, string> {
  const gateways = new Map<string, string>();
  for (const line of table.split('\n').slice(1)) {
    const [name = '', destination, gateway = '', flags = '', , , , mask] = line.trim().split(/\s+/);
    if (destination !== '00000000' || mask !== '00000000') continue;
    if (!/^[0-9A-F]{8}$/i.test(gateway) || (Number.parseInt(flags, 16) & GATEWAY_FLAG) === 0) continue;
    const bytes = [...Buffer.from(gateway, 'hex')];
    if (!gateways.has(name)) gateways.set(name, (isLittleEndian ? bytes.toReversed() : bytes).join('.'));
  }
  return gateways;
}

/** Empty where it cannot be read: elsewhere than on Linux, there is nothing to find. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
