import { isIP } from 'node:net';

/** Names below these are nobody's in the public DNS. */
const LOCAL = /\.(?:localhost|local|lan|internal|home\.arpa)$/;

/**
 * Whether a request asks for this device by a name that only its own network can give it: an address, a name without a
 * dot, one of a local domain, or one that the device is known by. Any web site can have its own name lead here (DNS
 * rebinding): a browser would then show its script all that is served.
 *
 * @param host - the `Host` header; absent in what no browser sends
 * @param names - that the device is known by, in lower case
 */
export function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return true;
  const name = host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/\.$/, '')
    .replaceAll(/^\[|\]$/g, '');
  return !name.includes('.') || isIP(name) !== 0 || LOCAL.test(name) || names.includes(name);
}
