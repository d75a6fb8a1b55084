import { BlockList, isIP } from 'node:net';

/** Of `GET /info`: what the engine was told about registries. */
export interface RegistryConfig {
  /** For instance `127.0.0.0/8`, which is always there. */
  readonly InsecureRegistryCIDRs?: readonly string[] | null;
  /** By `host[:port]`, as references have it. */
  readonly IndexConfigs?: Readonly<Record<string, { readonly Secure?: boolean }>> | null;
}

/**
 * Whether the engine itself would speak to a registry without verifying its certificate, and over plain HTTP if need
 * be. Names are not resolved, but for `localhost`: one that is insecure by its address alone counts as secure.
 *
 * @param address - `host[:port]`
 * @see https://github.com/moby/moby/blob/v28.5.2/registry/config.go
 */
export function isInsecureRegistry(address: string, config: RegistryConfig | null | undefined): boolean {
  if (config?.IndexConfigs?.[address]?.Secure === false) return true;
  const name = toHostName(address);
  const host = name === 'localhost' ? '127.0.0.1' : name;
  const family = isIP(host);
  if (family === 0) return false;
  return toBlockList(config?.InsecureRegistryCIDRs ?? []).check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Without the port and the brackets of an IPv6 address; empty where it is no address. */
function toHostName(address: string): string {
  return URL.parse(`https://${address}`)?.hostname.replaceAll(/[[\]]/g, '') ?? '';
}

function toBlockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', prefix = ''] = cidr.split('/');
    const family = isIP(network);
    if (family !== 0) list.addSubnet(network, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
