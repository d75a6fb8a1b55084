import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '#agent/ports';

const FILE_NAME = 'memory.json';

/**
 * Keeps one JSON document in a folder. It is written beside the old one, synced and renamed, so that a power cut leaves
 * one of the two.
 */
export function createFileStore(folder: string): Store {
  const path = join(folder, FILE_NAME);
  return {
    async load() {
      try {
        return JSON.parse(await readFile(path, 'utf8')) as unknown;
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async save(document) {
      await mkdir(folder, { recursive: true });
      const draft = await open(`${path}.new`, 'w', 0o600);
      try {
        await draft.writeFile(JSON.stringify(document));
        await draft.sync();
      } finally {
        await draft.close();
      }
      await rename(`${path}.new`, path);
      const directory = await open(folder);
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    },
  };
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
