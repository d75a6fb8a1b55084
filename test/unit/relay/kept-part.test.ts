import { readlinkSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { openKeptPart } from '#relay/kept-part';
import { BOOT_ID } from '#test/unit/relay/bench';
import { makeBytes, toDigest } from '#test/unit/relay/site';

const MIB = 1024 * 1024;
const BLOB = makeBytes(24 * MIB);

/** For a busy machine. */
const WAIT = { timeout: 10_000 };

/** What all open files have their methods of. */
let handles: FileHandle;

beforeAll(async () => {
  const file = await open(tmpdir());
  handles = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
});

/** A part of the blob in a folder of its own, and what the disk was asked to keep of its two files. */
async function startPart() {
  const folder = await mkdtemp(join(tmpdir(), 'part-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  /** Each time: which file, and how long it was. */
  const synced: [name: string, sizeBytes: number][] = [];
  const disk = { answer: async (): Promise<void> => undefined, answers: 0 };
  const { datasync } = handles;
  const spy = vi.spyOn(handles, 'datasync').mockImplementation(async function note(this: FileHandle) {
    synced.push([basename(readlinkSync(`/proc/self/fd/${this.fd}`)), (await this.stat()).size]);
    await disk.answer();
    await Reflect.apply(datasync, this, []);
    disk.answers += 1;
  });
  onTestFinished(() => spy.mockRestore());
  const room = { looks: 0 };
  const openPart = () =>
    openKeptPart({
      partPath: join(folder, 'part'),
      checkpointsPath: join(folder, 'sums'),
      digest: toDigest(BLOB),
      sizeBytes: BLOB.length,
      bootId: BOOT_ID,
      checkRoom: async () => void (room.looks += 1),
    });
  const part = await openPart();
  await part.verify(() => undefined);
  /** Adds the blob's next bytes. */
  const add = (bytes: number): void => part.take(BLOB.subarray(part.goodBytes, part.goodBytes + bytes));
  const sizesOf = async () =>
    await Promise.all(
      ['part', 'sums'].map(async (name) => [name, (await stat(join(folder, name))).size] as const),
    );
  return { folder, part, openPart, synced, disk, room, add, sizesOf };
}

test('the disk has all of a part, the bytes before their checkpoints, when it is closed', async () => {
  const { folder, part, synced, add, sizesOf } = await startPart();
  add(3 * MIB);
  await part.flush();
  add(2 * MIB + 17);
  expect(part.queuedBytes).toBe(2 * MIB + 17);
  expect(synced).toEqual([]);
  await part.close();
  expect(synced).toEqual(await sizesOf());
  expect(synced[0]).toEqual(['part', 5 * MIB + 17]);
  const kept = await readFile(join(folder, 'part'));
  expect(kept.equals(BLOB.subarray(0, 5 * MIB + 17))).toBe(true);
});

test('the disk is asked to keep each 8 MiB, and nobody waits for it meanwhile', async () => {
  const { part, synced, disk, room, add } = await startPart();
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.answer = () => promise;
  const write = async (mebibytes: number): Promise<void> => {
    for (let count = 0; count < mebibytes; count += 1) {
      add(MIB);
      await part.flush();
    }
  };
  await write(7);
  expect([synced, room.looks]).toEqual([[], 0]);
  await write(1);
  await expect.poll(() => synced, WAIT).toEqual([['part', 8 * MIB]]);
  // It does not answer; what comes is written all the same, and it is asked for nothing more.
  await write(12);
  expect([part.writtenBytes, synced.length, room.looks]).toEqual([20 * MIB, 1, 1]);
  resolve();
  await expect.poll(() => disk.answers, WAIT).toBe(2);
  expect(synced.map(([name]) => name)).toEqual(['part', 'sums']);
  await write(1);
  await expect.poll(() => synced.length, WAIT).toBe(4);
  expect(synced[2]).toEqual(['part', 21 * MIB]);
  expect(room.looks).toBe(2);
  await part.close();
});

test('a part is not closed before the disk has answered', async () => {
  const { folder, part, disk, add } = await startPart();
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.answer = () => promise;
  add(8 * MIB);
  await part.flush();
  let isClosed = false;
  const closing = part.close().then(() => (isClosed = true));
  // More than it takes to close two files.
  for (let count = 0; count < 50; count += 1) await stat(folder);
  expect(isClosed).toBe(false);
  resolve();
  await closing;
});

test('a disk that does not keep what it took is written to no more', async () => {
  const { part, disk, add } = await startPart();
  disk.answer = () => Promise.reject(new Error('EIO: of the disk'));
  add(8 * MIB);
  await part.flush();
  const writeOn = async (): Promise<string> => {
    add(10);
    return await part.flush().then(() => 'written', String);
  };
  await expect.poll(writeOn, WAIT).toContain('EIO');
  const { writtenBytes } = part;
  await writeOn();
  expect(part.writtenBytes).toBe(writtenBytes);
  await part.close();
});

test('a part to which nothing is added costs the disk nothing', async () => {
  const { part, openPart, synced, add, sizesOf } = await startPart();
  add(5 * MIB);
  await part.close();
  const sizes = await sizesOf();
  synced.length = 0;
  const again = await openPart();
  await again.verify(() => undefined);
  expect((await again.read(4 * MIB, 1000)).length).toBe(1000);
  await again.close();
  expect(synced).toEqual([]);
  expect(await sizesOf()).toEqual(sizes);
});
