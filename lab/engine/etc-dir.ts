import type { ProcessOptions } from '../processes.ts';

/** What is run, with which arguments. */
type Command = Pick<ProcessOptions, 'command' | 'args'>;

/**
 * The command by which a program sees a folder in the place of `/etc/docker`, which has to be there: in a mount
 * namespace of its own, and still as one process. Needs root.
 * @param etcDir - none: the command as it is
 */
export function seeEtcDir(etcDir: string | undefined, { command, args }: Command): Command {
  if (etcDir === undefined) return { command, args };
  const script = 'mount --bind "$0" /etc/docker && exec "$@"';
  const words = ['--mount', '--propagation', 'private', 'sh', '-c', script, etcDir];
  return { command: 'unshare', args: [...words, command, ...args] };
}
