import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createFileStore } from '#adapters/file-store';

const OLD = { version: 1, text: 'o'.repeat(100_000) };
const NEW = { version: 2, text: 'n'.repeat(150_000) };

/** What all open files have their methods of. */
let handles: FileHandle;

beforeAll(async () => {
  const file = await open(tmpdir());
  handles = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
});

/** A folder that is still to be made, and the store in it. */
async function makePlace() {
  const base = await mkdtemp(join(tmpdir(), 'store-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const folder = join(base, 'module', 'storage');
  return {
    folder,
    path: join(folder, 'memory.json'),
    draft: join(folder, 'memory.json.new'),
    store: createFileStore(folder),
    /** What the next process would find. */
    load: () => createFileStore(folder).load(),
  };
}

type Step = 'writeFile' | 'sync';

/** Whatever is done by a method of any open file goes through `step`, for one test. */
function intercept(method: Step, step: (file: FileHandle, proceed: () => Promise<void>) => Promise<void>) {
  const real = handles[method] as (...args: unknown[]) => Promise<void>;
  const spy = vi.spyOn(handles, method).mockImplementation(async function through(
    this: FileHandle,
    ...args: unknown[]
  ) {
    await step(this, () => Reflect.apply(real, this, args) as Promise<void>);
  });
  onTestFinished(() => spy.mockRestore());
  return spy;
}

const fault = (code: string): Error => Object.assign(new Error(`${code}: of the disk`), { code });

/** Files that this process holds open in a folder. */
function listOpen(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      return path.startsWith(folder) ? [path] : [];
    } catch {
      // The one that the list was read by.
      return [];
    }
  });
}

describe('the store', () => {
  test('holds nothing before anything was saved, and then what was saved last', async () => {
    const { store, load } = await makePlace();
    expect(await store.load()).toBeUndefined();
    for (const document of [OLD, NEW, { text: 'é "\u2028' }]) {
      await store.save(document);
      expect(await load()).toEqual(document);
    }
  });

  test('has its document read by its own user alone, and nothing beside it', async () => {
    const { store, folder, path } = await makePlace();
    await store.save(OLD);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['memory.json']);
  });

  test('rejects where there is a document that cannot be read: it is not as if there were none', async () => {
    const { store, path } = await makePlace();
    await store.save(OLD);
    await writeFile(path, '{"version":');
    await expect(store.load()).rejects.toThrow(SyntaxError);
    await rm(path);
    await mkdir(path);
    await expect(store.load()).rejects.toThrow('EISDIR');
  });
});

describe('a document that is saved', () => {
  test('is on the disk before it takes the old one’s name, and has that for good when the save is done', async () => {
    const { store, path, draft, load } = await makePlace();
    await store.save(OLD);
    const synced: object[] = [];
    intercept('sync', async (file, proceed) => {
      const isFolder = (await file.stat()).isDirectory();
      const drafted = await readFile(draft, 'utf8').catch(() => 'none');
      synced.push({ isFolder, isDrafted: drafted === JSON.stringify(NEW), found: await load() });
      await proceed();
    });
    await store.save(NEW);
    expect(synced).toEqual([
      { isFolder: false, isDrafted: true, found: OLD },
      { isFolder: true, isDrafted: false, found: NEW },
    ]);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(NEW);
  });

  test.each<[string, Step, number, object]>([
    ['while it is written', 'writeFile', 1, OLD],
    ['before the disk has it', 'sync', 1, OLD],
    ['before the disk has its name', 'sync', 2, NEW],
  ])('is the old or the new one whole after an end %s, and the next save leaves no rest', async (...row) => {
    const [, method, time, found] = row;
    const { store, folder, load } = await makePlace();
    await store.save(OLD);
    let times = 0;
    const spy = intercept(method, async (file, proceed) => {
      times += 1;
      if (times !== time) return await proceed();
      if (method === 'writeFile') await file.write(JSON.stringify(NEW).slice(0, 70_000));
      // Nothing that would follow is done: as when the process is killed.
      onTestFinished(() => file.close());
      await new Promise(() => {});
    });
    void store.save(NEW);
    await expect.poll(() => times, { timeout: 10_000 }).toBe(time);
    spy.mockRestore();
    expect(await load()).toEqual(found);
    const next = { version: 3 };
    await createFileStore(folder).save(next);
    expect(await load()).toEqual(next);
    expect(await readdir(folder)).toEqual(['memory.json']);
  });

  test('takes the place of a longer draft that a killed process left', async () => {
    const { store, folder, path, draft, load } = await makePlace();
    await store.save(OLD);
    await writeFile(draft, JSON.stringify(NEW).slice(0, -1));
    expect(await load()).toEqual(OLD);
    await store.save({ version: 3 });
    expect(await readFile(path, 'utf8')).toBe('{"version":3}');
    expect(await readdir(folder)).toEqual(['memory.json']);
  });
});

describe('a disk', () => {
  test.each<[string, Step, string]>([
    ['is full', 'writeFile', 'ENOSPC'],
    ['is full only when it is asked to keep', 'sync', 'ENOSPC'],
    ['breaks', 'sync', 'EIO'],
  ])('that %s leaves the old document, and takes the next one', async (_, method, code) => {
    const { store, folder, load } = await makePlace();
    await store.save(OLD);
    const spy = intercept(method, async (file) => {
      if (method === 'writeFile') await file.write(JSON.stringify(NEW).slice(0, 70_000));
      throw fault(code);
    });
    await expect(store.save(NEW)).rejects.toThrow(code);
    spy.mockRestore();
    expect(await load()).toEqual(OLD);
    expect(listOpen(folder)).toEqual([]);
    await store.save(NEW);
    expect(await load()).toEqual(NEW);
    expect(await readdir(folder)).toEqual(['memory.json']);
  });

  test('that lets nothing be made leaves the old document', async () => {
    const { store, folder, draft, load } = await makePlace();
    await store.save(OLD);
    // A folder in the draft's place: root may write wherever others may not.
    await mkdir(draft);
    await chmod(folder, 0o500);
    await expect(store.save(NEW)).rejects.toThrow(/EISDIR|EACCES/);
    await chmod(folder, 0o700);
    expect(await load()).toEqual(OLD);
    await rm(draft, { recursive: true });
    await store.save(NEW);
    expect(await load()).toEqual(NEW);
  });

  test('that has a file where the folder should be is told as such', async () => {
    const { folder, store } = await makePlace();
    await mkdir(join(folder, '..'), { recursive: true });
    await writeFile(folder, '');
    await expect(store.save(NEW)).rejects.toThrow('EEXIST');
    await expect(store.load()).rejects.toThrow('ENOTDIR');
  });
});
