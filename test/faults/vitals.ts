import { readdir, readFile } from 'node:fs/promises';

/** What a process holds. */
export interface Vitals {
  /** Open file descriptors. */
  readonly handles: number;
  /** Anonymous memory: what is not backed by a file, and so is the process's own. */
  readonly memoryBytes: number;
}

/**
 * Looks at a process, by /proc.
 * @throws when there is no such process
 */
export async function observeVitals(pid: number): Promise<Vitals> {
  const [descriptors, rollup] = await Promise.all([
    readdir(`/proc/${pid}/fd`),
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
  ]);
  const kilobytes = /^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1];
  return { handles: descriptors.length, memoryBytes: Number(kilobytes) * 1024 };
}
