import { SITE_ADDRESS } from '../namespace.ts';
import type { ProcessOptions } from '../processes.ts';

/** What is run, with which arguments. */
type Command = Pick<ProcessOptions, 'command' | 'args'>;

/** A network card, and a way out that ends there. A bridge without ports is a card in every kernel that has bridges. */
const SET_UP = `set -e
ip link set lo up
ip link add eth0 type bridge
ip address add ${SITE_ADDRESS}/24 dev eth0
ip link set eth0 up
ip route add default via 192.0.2.254
exec "$@"`;

/**
 * The command by which a program has a network of its own, as a device has it, and still is one process: what it makes
 * there (bridges, rules, ports) goes with it, and nothing of it is seen outside. Its address is {@link SITE_ADDRESS}.
 * Needs root and `ip`.
 */
export function inOwnNetwork({ command, args }: Command): Command {
  const words = ['--net', '--mount', '--propagation', 'private', 'sh', '-c', SET_UP, 'sh'];
  return { command: 'unshare', args: [...words, command, ...args] };
}
