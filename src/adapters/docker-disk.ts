import { statfs } from 'node:fs/promises';
import type { DockerConnection } from '#adapters/docker-connection';

/** The disk on which an engine keeps images. */
export interface EngineDisk {
  /** Bytes that are free for images, not older than a second; undefined where that cannot be told. */
  fetchFreeBytes(signal: AbortSignal): Promise<number | undefined>;
  /** Much may have changed: it is asked again. */
  forget(): void;
}

/** Between the ends of two pulls a disk fills slowly enough to be asked once in this time. */
const FREE_BYTES_MS = 1000;

/** Nothing is asked before the first call. @param fetchRootDir - the folder where the engine keeps all, as the engine says */
export function createEngineDisk(
  ask: DockerConnection['ask'],
  fetchRootDir: () => Promise<string | undefined>,
): EngineDisk {
  let rootDir: string | undefined;
  let asking: Promise<number> | undefined;
  let free: { readonly sizeBytes: number; readonly atMs: number } | undefined;

  return {
    async fetchFreeBytes(signal) {
      if (free !== undefined && performance.now() - free.atMs < FREE_BYTES_MS) return free.sizeBytes;
      try {
        const folder = (rootDir ??= (await ask(signal, fetchRootDir)) ?? '/');
        // A disk that hangs never answers, and each question to it holds one of the few threads of the process.
        const read = (): Promise<number> => readFreeBytes(folder).finally(() => (asking = undefined));
        const sizeBytes = await ask(signal, () => (asking ??= read()));
        free = { sizeBytes, atMs: performance.now() };
        return sizeBytes;
      } catch {
        return undefined;
      }
    },
    forget() {
      free = undefined;
    },
  };
}

/** In a container '/' lies on the engine's disk, where the folder itself is not to be seen. */
async function readFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder).catch(() => statfs('/'));
  return bavail * bsize;
}
