import { lstat, mkdir, open, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#agent/ports';
import { readCheckpoints, toClaimedBytes } from '#relay/checkpoints';
import { openKeptPart } from '#relay/kept-part';
import type { KeptPart } from '#relay/kept-part';

/** Bytes of blobs that outlive the process: one file for each blob, and one with its checkpoints. */
export interface KeptBytes {
  /** Bytes of a blob that are kept now; what a power cut left of them shows only when they are read. */
  keptBytes(digest: string): number;
  /** As {@link keptBytes}, of all blobs; of one that is open as it was before. */
  keptSizes(): ReadonlyMap<string, number>;
  /** For one at a time. Rejects with what the system says. */
  open(digest: string, sizeBytes: number): Promise<KeptBlob>;
  /** Forgets these blobs; what is open goes when it is closed. Rejects where the folder does not let it. */
  forget(digests: ReadonlySet<string>): Promise<void>;
  /** Forgets all blobs but these; what is open goes when it is closed. Rejects where the folder does not let it. */
  keepOnly(digests: ReadonlySet<string>): Promise<void>;
  /** Forgets what is not open and has not grown for seven days. Rejects where the folder does not let it. */
  forgetOld(): Promise<void>;
}

export interface KeptBlob {
  readonly part: Omit<KeptPart, 'close'>;
  /** Whether the rest of the blob can be kept. */
  hasRoom(): Promise<boolean>;
  /** To be forgotten when it is closed. */
  discard(): void;
  /** Resolves when the disk has it. */
  close(): Promise<void>;
}

/** What {@link openKeptBytes} takes. */
export interface KeptBytesOptions {
  /** Is made where it is missing. Files of others in it are left alone. */
  readonly folder: string;
  /** Nothing is kept that would leave less on the folder's disk. */
  readonly minFreeBytes: () => number;
  readonly clock: Pick<Clock, 'nowMs' | 'steadyMs' | 'sleep'>;
  /** Of this boot of the device: what was written since is all there. */
  readonly bootId?: string;
}

/** Many blobs on a slow card take seconds, and it would cost all of them not to wait; a disk that hangs answers never. */
const PATIENCE_MS = 10_000;
const MAX_AGE_MS = 7 * 86_400_000;
const OWN_FILE = /^([0-9a-f]{64})\.(part|sums)$/;

interface Held {
  bytes: number;
  /** When it last grew, by the steady clock. */
  grownMs: number;
  isOpen: boolean;
  isForgotten: boolean;
}

/** Looks at what is there, and tidies it. Rejects where the folder cannot be read or made, or does not answer within 10 s. */
export async function openKeptBytes(options: KeptBytesOptions): Promise<KeptBytes> {
  const limit = new AbortController();
  const late = options.clock.sleep(PATIENCE_MS, limit.signal).then(() => {
    throw new Error(`the folder did not answer within ${PATIENCE_MS / 1000} s`);
  });
  try {
    return await Promise.race([openAll(options), late]);
  } finally {
    limit.abort();
  }
}

async function openAll(options: KeptBytesOptions): Promise<KeptBytes> {
  const { folder, minFreeBytes, clock } = options;
  const bootId = options.bootId ?? (await readBootId());
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const held = await findParts(folder, clock, bootId);
  /** Blobs whose files are being removed, by digest. */
  const leaving = new Map<string, Promise<void>>();

  async function forget(digest: string): Promise<void> {
    held.delete(digest);
    const removed = removeFiles(toPaths(folder, digest));
    const settled = removed.catch(() => undefined);
    leaving.set(digest, settled);
    void settled.then(() => leaving.delete(digest));
    await removed;
  }

  async function fetchFreeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize - minFreeBytes();
  }

  async function checkRoom(): Promise<void> {
    if ((await fetchFreeBytes()) < 0) throw new Error('too little space is left on the disk');
  }

  return {
    keptBytes: (digest) => held.get(digest)?.bytes ?? 0,
    keptSizes: () => new Map([...held].map(([digest, { bytes }]) => [digest, bytes])),
    async open(digest, sizeBytes) {
      // Else what is written would go with the files.
      await leaving.get(digest);
      const entry = held.get(digest) ?? toHeld(0, clock.steadyMs());
      held.set(digest, Object.assign(entry, { isOpen: true, isForgotten: false }));
      const paths = toPaths(folder, digest);
      const part = await openKeptPart({ ...paths, digest, sizeBytes, bootId, checkRoom }).catch(
        (error: unknown) => {
          entry.isOpen = false;
          throw error;
        },
      );
      return {
        part,
        hasRoom: async () => (await fetchFreeBytes()) >= sizeBytes - part.writtenBytes,
        discard: () => void (entry.isForgotten = true),
        async close() {
          await part.close();
          entry.isOpen = false;
          if (part.writtenBytes > entry.bytes) entry.grownMs = clock.steadyMs();
          entry.bytes = part.writtenBytes;
          if (entry.isForgotten || entry.bytes === 0) await forget(digest);
        },
      };
    },
    async forget(digests) {
      for (const digest of digests) {
        const entry = held.get(digest);
        if (entry === undefined) continue;
        entry.isForgotten = true;
        if (!entry.isOpen) await forget(digest);
      }
    },
    async keepOnly(digests) {
      for (const [digest, entry] of held) {
        entry.isForgotten = !digests.has(digest);
        if (entry.isForgotten && !entry.isOpen) await forget(digest);
      }
    },
    async forgetOld() {
      const oldestMs = clock.steadyMs() - MAX_AGE_MS;
      for (const [digest, { isOpen, grownMs }] of held) {
        if (!isOpen && grownMs < oldestMs) await forget(digest);
      }
    },
  };
}

const toHeld = (bytes: number, grownMs: number): Held => ({
  bytes,
  grownMs,
  isOpen: false,
  isForgotten: false,
});

async function removeFiles({ partPath, checkpointsPath }: Paths): Promise<void> {
  await rm(partPath, { force: true });
  await rm(checkpointsPath, { force: true });
}

/** Removes what is old or of no use, and says how much there is of the rest. */
async function findParts(
  folder: string,
  clock: KeptBytesOptions['clock'],
  bootId: string,
): Promise<Map<string, Held>> {
  const held = new Map<string, Held>();
  const names = new Set(await readdir(folder));
  for (const name of names) {
    const [, hex, kind] = OWN_FILE.exec(name) ?? [];
    if (hex === undefined) continue;
    const path = join(folder, name);
    const { mtimeMs } = await lstat(path);
    const isOrphan = !names.has(`${hex}.${kind === 'part' ? 'sums' : 'part'}`);
    const ageMs = clock.nowMs() - mtimeMs;
    if (isOrphan || ageMs > MAX_AGE_MS) await rm(path, { force: true });
    else if (kind === 'part') {
      const digest = `sha256:${hex}`;
      held.set(
        digest,
        toHeld(await measure(toPaths(folder, digest), bootId), clock.steadyMs() - Math.max(ageMs, 0)),
      );
    }
  }
  return held;
}

async function measure({ partPath, checkpointsPath }: Paths, bootId: string): Promise<number> {
  const file = await open(checkpointsPath, 'r');
  try {
    return toClaimedBytes(await readCheckpoints(file, bootId), (await lstat(partPath)).size);
  } finally {
    await file.close();
  }
}

interface Paths {
  readonly partPath: string;
  readonly checkpointsPath: string;
}

function toPaths(folder: string, digest: string): Paths {
  const path = join(folder, digest.replace('sha256:', ''));
  return { partPath: `${path}.part`, checkpointsPath: `${path}.sums` };
}

/** Empty where there is none: every start counts as another boot then. */
async function readBootId(): Promise<string> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim();
}
