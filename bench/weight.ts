import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readMemory } from './process-memory.ts';

/** What bringing images into an engine took at most, in bytes more than before. */
export interface Weight {
  /** Of all folders. */
  readonly diskBytes: number;
  /** Anonymous memory of who has the engine bring them. */
  readonly agentBytes: number;
  /** Anonymous memory of the engine and what it started. */
  readonly engineBytes: number;
}

export interface WeightWatch {
  stop(): Promise<Weight>;
}

/** What {@link watchWeight} takes. */
export interface Watched {
  readonly dirs: readonly string[];
  readonly agentPid: number;
  readonly enginePid: number;
}

const INTERVAL_MS = 50;

/** Looks again and again, which costs what is looked at some time. */
export async function watchWeight({ dirs, agentPid, enginePid }: Watched): Promise<WeightWatch> {
  const look = async (): Promise<Weight> => ({
    diskBytes: await readDisk(dirs),
    agentBytes: await readAnonymous([agentPid]),
    engineBytes: await readAnonymous(await listFamily(enginePid)),
  });
  const first = await look();
  let most = first;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const now = await look();
      most = {
        diskBytes: Math.max(most.diskBytes, now.diskBytes),
        agentBytes: Math.max(most.agentBytes, now.agentBytes),
        engineBytes: Math.max(most.engineBytes, now.engineBytes),
      };
      await delay(INTERVAL_MS);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await watching;
      return {
        diskBytes: most.diskBytes - first.diskBytes,
        agentBytes: most.agentBytes - first.agentBytes,
        engineBytes: most.engineBytes - first.engineBytes,
      };
    },
  };
}

/** Bytes in folders. Files may go while they are counted, and folders may not be there. */
export async function readDisk(dirs: readonly string[]): Promise<number> {
  const script = 'du --summarize --total --block-size=1 --one-file-system "$@" 2>/dev/null | tail -n 1';
  const { stdout } = await promisify(execFile)('sh', ['-c', script, 'sh', ...dirs]);
  return Number.parseInt(stdout, 10);
}

/** A process that has ended has none. */
async function readAnonymous(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(pids.map((pid) => readMemory(pid).catch(() => undefined)));
  return sizes.reduce((sum, size) => sum + (Number.isNaN(size?.anonBytes) ? 0 : (size?.anonBytes ?? 0)), 0);
}

/** CPU time of a process, of its children, and of those that have ended. */
export async function readCpuSeconds(pid: number): Promise<number> {
  const stats = await Promise.all(
    (await listFamily(pid)).map((member) => readFile(`/proc/${member}/stat`, 'utf8').catch(() => '')),
  );
  const TICKS_PER_SECOND = 100;
  // utime, stime, cutime, cstime; the name in parentheses may hold spaces.
  const ticks = stats.flatMap((stat) =>
    stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15),
  );
  return ticks.reduce((sum, count) => sum + Number(count), 0) / TICKS_PER_SECOND;
}

/** A process and its children, which the kernel lists by the thread that started them. */
async function listFamily(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return [pid, ...(lists.join(' ').match(/\d+/g) ?? []).map(Number)];
}
