import type { Clock, Log } from '#agent/ports';

/** Bytes of blobs that outlive the process: one file for each blob, and one with checkpoints. */
export interface KeptBytes {
  /** Bytes of a blob that are kept now; what a power cut left of them shows only when they are read. */
  keptBytes(digest: string): number;
  /** Forgets all blobs but these. What is being read goes afterwards. Rejects where the folder does not let it. */
  keepOnly(digests: ReadonlySet<string>): Promise<void>;
}

/** What {@link openKeptBytes} takes. */
export interface KeptBytesOptions {
  /** Is made where it is missing, in a folder that exists. Files of others in it are left alone. */
  readonly folder: string;
  /** Nothing is kept that would leave less on the folder's disk. */
  readonly minFreeBytes: () => number;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
}

/** Looks at what is there, and tidies it. Rejects where the folder cannot be read or made. */
export function openKeptBytes(options: KeptBytesOptions): Promise<KeptBytes> {
  void options;
  return Promise.reject(new Error('not there yet'));
}
