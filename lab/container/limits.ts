import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the kernel lets a process and its neighbours in the same container use. */
export interface Limits {
  readonly memoryBytes: number;
  /** Of one processor, such as 0.2. */
  readonly cpus: number;
}

const CGROUP_DIR = '/sys/fs/cgroup';

/**
 * Reads the limits that the kernel holds a process to, of control groups of either version.
 * @throws where there are none
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
export async function readLimits(pid: number): Promise<Limits> {
  const groups = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trim().split('\n');
  const read = async (controller: string, file: string): Promise<string> => {
    const group = groups
      .map((line) => line.split(':'))
      .find(([, names]) => names?.split(',').includes(controller));
    return (await readFile(join(CGROUP_DIR, controller, group?.[2] ?? '', file), 'utf8')).trim();
  };
  if (groups.length > 1) {
    const quota = Number(await read('cpu', 'cpu.cfs_quota_us'));
    const period = Number(await read('cpu', 'cpu.cfs_period_us'));
    return { memoryBytes: Number(await read('memory', 'memory.limit_in_bytes')), cpus: quota / period };
  }
  const [quota, period] = (await read('', 'cpu.max')).split(' ').map(Number);
  return { memoryBytes: Number(await read('', 'memory.max')), cpus: (quota ?? 0) / (period ?? 1) };
}
