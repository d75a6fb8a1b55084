import { isLoopbackHost } from '#core/registry-advice';

/**
 * Dials a host. A module has a loopback of its own, where nobody listens: the machine's is dialled then.
 *
 * @param host - IPv6 in brackets
 * @param findHost - the machine's address; undefined where nothing tells it
 * @param dial - is given what to dial, without brackets; the name stays the host's
 */
export async function dialHost<T>(
  host: string,
  findHost: () => Promise<string | undefined>,
  dial: (place: string) => Promise<T>,
): Promise<T> {
  try {
    return await dial(host.replaceAll(/[[\]]/g, ''));
  } catch (error) {
    const { code } = Object(error) as { readonly code?: unknown };
    if (!isLoopbackHost(host) || code !== 'ECONNREFUSED') throw error;
    const found = await findHost();
    if (found === undefined) throw error;
    return await dial(found);
  }
}
