import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findHost, listPlaces, parseGateways } from '#relay/addresses';

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
/** As a container in Docker's bridge network has them: gateway 172.17.0.1. */
const BRIDGE_ROUTES = `${HEAD}eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n`;

const toAddress = (address: string, family = 'IPv4') => ({
  address,
  family,
  internal: address.startsWith('127.'),
});
const LOOPBACK = { lo: [toAddress('127.0.0.1')] };
const ETH0 = { eth0: [toAddress('fd00::2', 'IPv6'), toAddress('172.17.0.2')] };
const VETH = { ifindex: '2\n', iflink: '7\n', uevent: 'INTERFACE=eth0\nIFINDEX=2\n' };

/** A root folder as the kernel would show it. */
async function toRoot(routes: string, interfaces: Record<string, Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'relay-places-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await put('proc/net/route', routes);
  for (const [name, files] of Object.entries(interfaces)) {
    for (const [file, text] of Object.entries(files)) await put(`sys/class/net/${name}/${file}`, text);
  }
  return root;
}

it('in a bridge network a container listens there too, for the gateway alone', async () => {
  const root = await toRoot(BRIDGE_ROUTES, { eth0: VETH });
  expect(await listPlaces({ root, interfaces: { ...LOOPBACK, ...ETH0 } })).toEqual([
    { address: '127.0.0.1' },
    { address: '172.17.0.2', onlyFrom: '172.17.0.1' },
  ]);
});

it.each([
  ['a card of the machine itself', BRIDGE_ROUTES, { ...VETH, iflink: '2\n' }],
  ['a VLAN', BRIDGE_ROUTES, { ...VETH, uevent: 'DEVTYPE=vlan\nINTERFACE=eth0\nIFINDEX=2\n' }],
  ['an interface that leads nowhere else', HEAD, VETH],
  ['an interface of which nothing is known', BRIDGE_ROUTES, {}],
])('nobody is listened for at %s', async (_, routes, files) => {
  const root = await toRoot(routes, { eth0: files });
  expect(await listPlaces({ root, interfaces: { ...LOOPBACK, ...ETH0 } })).toEqual([
    { address: '127.0.0.1' },
  ]);
});

it('where the kernel tells nothing, loopback is all', async () => {
  expect(await listPlaces({ root: '/nonexistent', interfaces: ETH0 })).toEqual([{ address: '127.0.0.1' }]);
  expect((await listPlaces())[0]).toEqual({ address: '127.0.0.1' });
});

it('gateways are read in the byte order of the machine, and only default ones', () => {
  expect(parseGateways(BRIDGE_ROUTES, true)).toEqual(new Map([['eth0', '172.17.0.1']]));
  expect(parseGateways(BRIDGE_ROUTES.replace('010011AC', 'AC110001'), false)).toEqual(
    new Map([['eth0', '172.17.0.1']]),
  );
  const host = `${HEAD}eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\nx\t00000000\tzz\t0003\t0\t0\t0\t00000000\nshort\n`;
  expect(parseGateways(host, true).size).toBe(0);
  const half = `${HEAD}tun0\t00000000\t010011AC\t0003\t0\t0\t0\t00000080\t0\t0\t0\n`;
  expect(parseGateways(half, true).size).toBe(0);
});

it.each([
  ['as ExtraHosts writes it', '172.17.0.1\thost.docker.internal\n', '172.17.0.1'],
  ['among others', '::1 localhost\n10.0.0.1 gateway  Host.docker.internal # ours\n', '10.0.0.1'],
  ['by IPv6', 'fd00::1 host.docker.internal\n', 'fd00::1'],
  ['not in a comment', '# 10.0.0.1 host.docker.internal\n', undefined],
  ['not by a part of a name', '10.0.0.1 host.docker.internal.example\n', undefined],
  ['not by what is no address', 'elsewhere host.docker.internal\n', undefined],
])('the host is found where the hosts file has it, and nowhere else: %s', async (_, text, address) => {
  const root = await toRoot(HEAD, {});
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/hosts'), `127.0.0.1\tlocalhost\n${text}`);
  expect(await findHost({ root })).toBe(address);
  expect(await findHost({ root: '/nonexistent' })).toBeUndefined();
});
