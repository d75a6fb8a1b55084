import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** What the kernel counts to a process, in bytes. */
export interface ProcessMemory {
  /** Of its own: neither shared nor to be read again from a file. */
  readonly anonBytes: number;
  /** All that is in memory, the pages of the Node.js binary included, which all its processes share. */
  readonly rssBytes: number;
}

/** @see https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
export async function readMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const readKilobytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { anonBytes: readKilobytes('RssAnon') * 1024, rssBytes: readKilobytes('VmRSS') * 1024 };
}

/** Reads memory every 50 ms until `until` settles, and returns the highest of each. */
export async function watchPeak(pid: number, until: Promise<unknown>): Promise<ProcessMemory> {
  let isOver = false;
  void until.finally(() => {
    isOver = true;
  });
  let peak: ProcessMemory = { anonBytes: 0, rssBytes: 0 };
  while (!isOver) {
    const { anonBytes, rssBytes } = await readMemory(pid);
    peak = { anonBytes: Math.max(peak.anonBytes, anonBytes), rssBytes: Math.max(peak.rssBytes, rssBytes) };
    await delay(50);
  }
  await until;
  return peak;
}

/** CPU time that a process has used so far, in user and kernel mode, in milliseconds; the kernel counts in steps of 10. */
export async function readCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const TICKS_PER_SECOND = 100;
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
}
