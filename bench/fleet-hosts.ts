import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import type { HostOrder, Seen } from './fleet-host.ts';

/** A process with some of a fleet's devices. */
export interface Host {
  /** Resolves when it is done. Rejects where the process ends. */
  tell(order: HostOrder): Promise<readonly Seen[]>;
  /** Ends the process, and its devices with it. */
  end(): Promise<void>;
}

/**
 * In a fleet the registry has a machine of its own. Here it would wait for its turn behind hundreds of devices, and be
 * asked in bursts that are the scheduler's.
 */
const DEVICES_NICE = 10;

/** Starts one, without devices. */
export function startHost(): Host {
  const child = fork('bench/fleet-host.ts');
  if (child.pid !== undefined) setPriority(child.pid, DEVICES_NICE);
  const ended = once(child, 'exit');
  return {
    async tell(order) {
      const answered = once(child, 'message') as Promise<[readonly Seen[]]>;
      child.send(order);
      const gone = ended.then(([code]) => Promise.reject(new Error(`a host of devices ended: ${code}`)));
      const [seen] = await Promise.race([answered, gone]);
      return seen;
    },
    async end() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
