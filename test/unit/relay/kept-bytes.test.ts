import { statfsSync } from 'node:fs';
import { readdir, readFile, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Clock } from '#agent/ports';
import { systemClock } from '#adapters/system-clock';
import fc from 'fast-check';
import type { BlobRead, Blobs } from '#relay/blobs';
import type { KeptBlob, KeptBytes } from '#relay/kept-bytes';
import { createTokenBucket } from '#relay/token-bucket';
import {
  drain,
  failureOf,
  makeBlobs,
  makeFolder,
  makeUpstream,
  openKept,
  toRead,
} from '#test/unit/relay/bench';
import { makeBytes, startSite } from '#test/unit/relay/site';
import type { Site } from '#test/unit/relay/site';

const SIZE = 5_000_000;
const BLOB = makeBytes(SIZE);
const MIB = 1024 * 1024;

const startKept = async (folder: string, options = {}): Promise<Blobs> =>
  makeBlobs({ kept: await openKept(folder, options) });

/** Reads until so many bytes came, and leaves. */
async function readSome(blobs: Blobs, read: BlobRead, bytes: number): Promise<void> {
  let readBytes = 0;
  for await (const piece of blobs.read(read)) {
    readBytes += piece.length;
    if (readBytes >= bytes) return;
  }
}

/** Until what was read is on disk. */
async function untilKept(blobs: Blobs, digest: string, atLeastBytes = 1): Promise<number> {
  await expect.poll(() => blobs.keptBytes(digest), { timeout: 10_000 }).toBeGreaterThanOrEqual(atLeastBytes);
  return blobs.keptBytes(digest);
}

/** The same, and is told whenever somebody looks how far a blob is good. */
const watchGoodBytes = (kept: KeptBytes, onLook: () => void): KeptBytes => ({
  ...kept,
  async open(...asked) {
    const blob = await kept.open(...asked);
    const get = (): number => {
      onLook();
      return blob.part.goodBytes;
    };
    return { ...blob, part: Object.create(blob.part, { goodBytes: { get } }) as KeptBlob['part'] };
  },
});

/** The same, and is told whenever what was taken of a blob is to be written. */
const watchFlushes = (kept: KeptBytes, onFlush: () => void): KeptBytes => ({
  ...kept,
  async open(...asked) {
    const blob = await kept.open(...asked);
    const flush = (): Promise<void> => {
      onFlush();
      return blob.part.flush();
    };
    return { ...blob, part: Object.create(blob.part, { flush: { value: flush } }) as KeptBlob['part'] };
  },
});

const partOf = (folder: string, { digest }: BlobRead): string =>
  join(folder, `${digest.replace('sha256:', '')}.part`);

/** A blob that was read halfway and left to the next process. */
async function leaveHalf(folder: string, site: Site): Promise<{ read: BlobRead; keptBytes: number }> {
  const read = toRead(site, BLOB);
  const blobs = await startKept(folder);
  await readSome(blobs, read, 3_300_000);
  const keptBytes = await untilKept(blobs, read.digest, 3_300_000);
  site.servedBytes = 0;
  return { read, keptBytes };
}

describe('kept bytes', () => {
  test('make a second read of a blob cost nothing', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const read = toRead(site, BLOB);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect((await drain(blobs.read({ ...read, fromByte: 1_234_567 }))).equals(BLOB.subarray(1_234_567))).toBe(
      true,
    );
    expect(site.servedBytes).toBe(SIZE);
    expect(await untilKept(blobs, read.digest)).toBe(SIZE);
  });

  test('go on over the connection that is open when whoever had them fetched leaves, under another name too', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const leaving = new AbortController();
    const read = toRead(site, BLOB);
    const upstream = makeUpstream(site.address);
    const first = blobs.read({ ...read, signal: leaving.signal })[Symbol.asyncIterator]();
    await first.next();
    const other = { ...read, source: { upstream, repository: 'group/other' } };
    const second = blobs.read(other)[Symbol.asyncIterator]();
    let come = (await second.next()).value?.length ?? 0;
    leaving.abort();
    for (let step = await second.next(); step.done !== true; step = await second.next())
      come += step.value.length;
    expect(come).toBe(SIZE);
    expect(site.servedBytes).toBe(SIZE);
    expect(site.requests.filter(({ url }) => url.includes('/blobs/'))).toHaveLength(1);
  });

  test('are not asked for again where they were on their way when the last reader left', async () => {
    const site = await startSite();
    // A rate: what the registry sends waits in the system's buffers.
    const bucket = createTokenBucket(systemClock);
    bucket.setRate(1_000_000);
    const kept = await openKept(await makeFolder());
    // Time enough on any machine for what is on its way.
    const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(20 * ms, signal) };
    const blobs = makeBlobs({ kept, bucket, clock });
    const read = toRead(site, BLOB);
    await readSome(blobs, read, 200_000);
    await untilKept(blobs, read.digest);
    expect(site.requests.filter(({ url }) => url.includes('/blobs/'))).toHaveLength(1);
    bucket.setRate(0);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    // All but what came later than the module waits: without it nearly all would come twice.
    expect(site.servedBytes).toBeLessThanOrEqual(SIZE * 1.2);
  });

  test('leave nothing in memory once they were read', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const toBuffersBytes = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const read = async (name: string): Promise<void> => {
      const bytes = makeBytes(MIB, name);
      for await (const piece of blobs.read(toRead(site, bytes))) expect(piece.length).toBeGreaterThan(0);
    };
    await read('first');
    const beforeBytes = toBuffersBytes();
    for (let index = 0; index < 40; index += 1) await read(`blob-${index}`);
    // What the site holds of them is its own.
    const held = 40 * MIB;
    await expect.poll(() => toBuffersBytes() - beforeBytes - held, { timeout: 20_000 }).toBeLessThan(4 * MIB);
  });

  test('of blobs that are to be forgotten go, and others stay', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const [gone, stays] = [toRead(site, BLOB), toRead(site, makeBytes(MIB, 'stays'))];
    for (const read of [gone, stays]) await drain(blobs.read(read));
    await untilKept(blobs, gone.digest, SIZE);
    await untilKept(blobs, stays.digest, MIB);
    await blobs.forget(new Set([gone.digest]));
    expect([blobs.keptBytes(gone.digest), blobs.keptBytes(stays.digest)]).toEqual([0, MIB]);
    expect(blobs.keptSizes()).toEqual(new Map([[stays.digest, MIB]]));
    expect((await readdir(folder)).filter((file) => file.endsWith('.part'))).toHaveLength(1);
  });

  test('outlive the process', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read, keptBytes } = await leaveHalf(folder, site);
    const blobs = await startKept(folder);
    expect(blobs.keptBytes(read.digest)).toBe(keptBytes);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - keptBytes);
  });

  test('outlive the device’s power as far as they have checkpoints', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read, keptBytes } = await leaveHalf(folder, site);
    const blobs = await startKept(folder, { bootId: '11111111-2222-3333-4444-555555555555' });
    const checkedBytes = Math.floor(keptBytes / MIB) * MIB;
    expect(blobs.keptBytes(read.digest)).toBe(checkedBytes);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - checkedBytes);
  });

  test('of a whole blob all outlive the device’s power', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const read = toRead(site, BLOB);
    const first = await startKept(folder);
    await drain(first.read(read));
    await untilKept(first, read.digest, SIZE);
    const blobs = await startKept(folder, { bootId: '' });
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE);
  });

  test('are as many in the second process of a boot as in its first', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read, keptBytes } = await leaveHalf(folder, site);
    const bootId = '11111111-2222-3333-4444-555555555555';
    const first = await startKept(folder, { bootId });
    await readSome(first, read, 4_300_000);
    const moreBytes = await untilKept(first, read.digest, keptBytes + 1);
    expect((await startKept(folder, { bootId })).keptBytes(read.digest)).toBe(moreBytes);
  });

  test('that a disk changed are cut off for good', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    const bytes = await readFile(partOf(folder, read));
    for (const at of [1_500_000, 3_000_000]) bytes[at] = (bytes[at] ?? 0) ^ 4;
    await writeFile(partOf(folder, read), bytes);
    // Nothing comes while it is looked at.
    site.faults.hangAfterBytes = 0;
    const blobs = await startKept(folder);
    await readSome(blobs, read, 100_000);
    await expect.poll(() => blobs.keptBytes(read.digest)).toBe(MIB);
    site.faults.hangAfterBytes = Infinity;
    expect((await drain((await startKept(folder)).read(read))).equals(BLOB)).toBe(true);
  });

  test('of a whole blob without a checkpoint that turn out wrong spoil no read', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const read = toRead(site, BLOB);
    const first = await startKept(folder);
    await drain(first.read(read));
    await untilKept(first, read.digest, SIZE);
    const sumsPath = partOf(folder, read).replace('.part', '.sums');
    await truncate(sumsPath, (await stat(sumsPath)).size - 32);
    const bytes = await readFile(partOf(folder, read));
    bytes[SIZE - 1] = (bytes[SIZE - 1] ?? 0) ^ 4;
    await writeFile(partOf(folder, read), bytes);
    expect((await drain((await startKept(folder)).read(read))).equals(BLOB)).toBe(true);
  });

  test('are for nobody else to read', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    const part = partOf(folder, read);
    const modes = [folder, part, part.replace('.part', '.sums')].map(async (path) => (await stat(path)).mode);
    expect((await Promise.all(modes)).map((mode) => mode & 0o777)).toEqual([0o700, 0o600, 0o600]);
  });

  test('are not written to where a link in their place leads', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const read = toRead(site, BLOB);
    const precious = join(folder, 'precious');
    await writeFile(precious, 'of somebody');
    await symlink(precious, partOf(folder, read));
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(await readFile(precious, 'utf8')).toBe('of somebody');
  });

  test('that a disk changed are fetched again from there, and nobody is given them', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    const bytes = await readFile(partOf(folder, read));
    bytes[1_500_000] = (bytes[1_500_000] ?? 0) ^ 4;
    await writeFile(partOf(folder, read), bytes);
    const blobs = await startKept(folder);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - MIB);
  });

  test('that a power cut took the end of are fetched from there', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    await truncate(partOf(folder, read), 1_500_000);
    const blobs = await startKept(folder, { bootId: '' });
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - MIB);
  });

  test('that are taken away under a reader are fetched from there, and it goes in no circles', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const kept = await openKept(folder);
    let flushes = 0;
    const onFlush = (): void => void (flushes += 1);
    const blobs = makeBlobs({ kept: watchFlushes(kept, onFlush) });
    // Who reads without end is ended.
    const read = toRead(site, BLOB, { signal: AbortSignal.timeout(20_000) });
    await drain(blobs.read(read));
    await untilKept(blobs, read.digest, SIZE);
    [site.servedBytes, flushes] = [0, 0];
    const pieces: Uint8Array[] = [];
    for await (const piece of blobs.read(read)) {
      if (pieces.length === 0) {
        // All was looked at, and is good.
        await expect.poll(() => flushes, { timeout: 10_000 }).toBe(1);
        await truncate(partOf(folder, read), 1_500_000);
      }
      pieces.push(piece);
    }
    expect(Buffer.concat(pieces).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBeGreaterThanOrEqual(SIZE - 1_500_000);
  });

  test('without a checkpoint that turn out wrong spoil one read and no second', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read, keptBytes } = await leaveHalf(folder, site);
    const bytes = await readFile(partOf(folder, read));
    bytes[keptBytes - 1] = (bytes[keptBytes - 1] ?? 0) ^ 4;
    await writeFile(partOf(folder, read), bytes);
    const blobs = await startKept(folder);
    expect(await failureOf(drain(blobs.read(read)))).toMatchObject({ reason: 'Corrupt' });
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
  });

  test('that the end of the process left without their checkpoints are kept all the same', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read, keptBytes } = await leaveHalf(folder, site);
    const sumsPath = partOf(folder, read).replace('.part', '.sums');
    await truncate(sumsPath, (await stat(sumsPath)).size - 2 * 32);
    const blobs = await startKept(folder);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - keptBytes);
    await untilKept(blobs, read.digest, SIZE);
    // And have them then.
    const later = await startKept(folder, { bootId: '' });
    expect((await drain(later.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - keptBytes);
  });

  test('with garbage for checkpoints are fetched again', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    await writeFile(partOf(folder, read).replace('.part', '.sums'), 'garbage');
    const blobs = await startKept(folder);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE);
  });

  test('of a blob with a wrong byte are dropped, and the next read is a new one', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const read = toRead(site, BLOB);
    site.faults.corruptByte = SIZE - 1;
    expect(await failureOf(drain(blobs.read(read)))).toMatchObject({ reason: 'Corrupt' });
    site.faults.corruptByte = -1;
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(2 * SIZE);
  });

  test('of blobs that nobody wants go, and others’ files stay', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const [wanted, unwanted] = [toRead(site, BLOB), toRead(site, makeBytes(1000, 'other'))];
    await drain(blobs.read(wanted));
    await drain(blobs.read(unwanted));
    await writeFile(join(folder, 'notes.part'), 'of somebody');
    await untilKept(blobs, unwanted.digest, 1000);
    await blobs.keepOnly(new Set([wanted.digest]));
    expect(blobs.keptBytes(unwanted.digest)).toBe(0);
    const hex = wanted.digest.replace('sha256:', '');
    expect((await readdir(folder)).toSorted()).toEqual(
      [`${hex}.part`, `${hex}.sums`, 'notes.part'].toSorted(),
    );
  });

  test.each<[string, (blobs: Blobs, digest: string) => Promise<void>]>([
    ['those that are wanted are told', (blobs) => blobs.keepOnly(new Set())],
    ['those that are not are told', (blobs, digest) => blobs.forget(new Set([digest]))],
  ])('that are being read when nobody wants them any more go afterwards, where %s', async (_, letGo) => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const read = toRead(site, BLOB);
    const bytes: Uint8Array[] = [];
    for await (const piece of blobs.read(read)) {
      if (bytes.length === 0) await letGo(blobs, read.digest);
      if (bytes.length === 1) expect(await readdir(folder)).toHaveLength(2);
      bytes.push(piece);
    }
    expect(Buffer.concat(bytes).equals(BLOB)).toBe(true);
    await expect.poll(() => readdir(folder)).toEqual([]);
  });

  test('that are being read stay where they are wanted again before that has ended', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const read = toRead(site, BLOB);
    let isFirst = true;
    for await (const piece of blobs.read(read)) {
      expect(piece.length).toBeGreaterThan(0);
      if (isFirst) await blobs.keepOnly(new Set());
      if (isFirst) await blobs.keepOnly(new Set([read.digest]));
      isFirst = false;
    }
    expect(await untilKept(blobs, read.digest, SIZE)).toBe(SIZE);
    expect((await startKept(folder)).keptBytes(read.digest)).toBe(SIZE);
  });

  test('of a blob that is wanted again while they are being forgotten are kept anew', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder);
    const read = toRead(site, BLOB);
    await drain(blobs.read(read));
    await untilKept(blobs, read.digest, SIZE);
    const forgetting = blobs.forget(new Set([read.digest]));
    await drain(blobs.read(read));
    await forgetting;
    await untilKept(blobs, read.digest, SIZE);
    expect((await startKept(folder)).keptBytes(read.digest)).toBe(SIZE);
  });

  test('that nobody reads go after seven days, while the module runs too', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    let aheadMs = 0;
    const clock = { ...systemClock, steadyMs: () => systemClock.steadyMs() + aheadMs };
    const kept = await openKept(folder, { clock });
    const blobs = makeBlobs({ kept });
    const [old, fresh] = [toRead(site, BLOB), toRead(site, makeBytes(1000, 'fresh'))];
    await readSome(blobs, old, MIB);
    await untilKept(blobs, old.digest);
    aheadMs = 7 * 86_400_000 - 60_000;
    await drain(blobs.read(fresh));
    await untilKept(blobs, fresh.digest, 1000);
    await kept.forgetOld();
    expect(kept.keptBytes(old.digest)).toBeGreaterThan(0);
    aheadMs += 120_000;
    await kept.forgetOld();
    expect([...kept.keptSizes().keys()]).toEqual([fresh.digest]);
    expect(await readdir(folder)).toHaveLength(2);
  });

  test('hold no start up that a disk does not answer within ten seconds', async () => {
    const folder = await makeFolder();
    const waits: number[] = [];
    const sleep: Clock['sleep'] = async (delayMs) => void waits.push(delayMs);
    const opening = openKept(folder, { clock: { ...systemClock, sleep } });
    await expect(opening).rejects.toThrow('did not answer within 10 s');
    expect(waits).toEqual([10_000]);
    expect((await openKept(folder)).keptSizes().size).toBe(0);
  });

  test('that somebody reads stay, though he takes more than seven days', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    let aheadMs = 0;
    const clock = { ...systemClock, steadyMs: () => systemClock.steadyMs() + aheadMs };
    const kept = await openKept(folder, { clock });
    const blobs = makeBlobs({ kept });
    const read = toRead(site, BLOB);
    for await (const piece of blobs.read(read)) {
      expect(piece.length).toBeGreaterThan(0);
      if (aheadMs === 0) {
        aheadMs = 8 * 86_400_000;
        await kept.forgetOld();
      }
    }
    expect(await untilKept(blobs, read.digest, SIZE)).toBe(SIZE);
    expect((await startKept(folder)).keptBytes(read.digest)).toBe(SIZE);
  });

  test('are tidied at a start: old ones go, and halves of pairs', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const { read } = await leaveHalf(folder, site);
    const old = new Date(Date.now() - 8 * 86_400_000);
    for (const name of await readdir(folder)) await utimes(join(folder, name), old, old);
    await writeFile(join(folder, `${'a'.repeat(64)}.sums`), 'v1');
    await writeFile(join(folder, `${'b'.repeat(64)}.part`), 'bytes');
    const blobs = await startKept(folder);
    expect(blobs.keptBytes(read.digest)).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  test('are none where the disk would fall under its limit, and the blob is read all the same', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const blobs = await startKept(folder, { minFreeBytes: () => Number.MAX_SAFE_INTEGER });
    const read = toRead(site, BLOB);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE);
    await expect.poll(() => readdir(folder)).toEqual([]);
  });

  test('are none of a blob of which the disk has no room for the rest', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const minFreeBytes = (): number => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize - 4_000_000;
    };
    // The whole blob does not fit above the limit, and what others write meanwhile is less than a megabyte.
    const blobs = await startKept(folder, { minFreeBytes });
    const read = toRead(site, BLOB);
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    await expect.poll(() => readdir(folder)).toEqual([]);
  });

  test('end where the disk fills up in the middle, and no byte is fetched twice for that', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    let asked = 0;
    const minFreeBytes = (): number => (asked++ === 0 ? 0 : Number.MAX_SAFE_INTEGER);
    const blobs = await startKept(folder, { minFreeBytes });
    const blob = makeBytes(20 * MIB);
    const read = toRead(site, blob);
    let fetchedBytes = 0;
    const onFetched = (bytes: number): void => void (fetchedBytes += bytes);
    expect((await drain(blobs.read({ ...read, onFetched }))).equals(blob)).toBe(true);
    expect(fetchedBytes).toBe(20 * MIB);
    const keptBytes = await untilKept(blobs, read.digest, 8 * MIB);
    expect(keptBytes).toBeLessThan(9 * MIB);
    expect((await stat(partOf(folder, read))).size).toBe(keptBytes);
  });

  test('stay where another manifest names their blob with a size that is less than them', async () => {
    const [site, other] = [await startSite(), await startSite()];
    const folder = await makeFolder();
    const { read, keptBytes } = await leaveHalf(folder, site);
    const blobs = await startKept(folder);
    const wrong = { ...toRead(other, makeBytes(1)), digest: read.digest, sizeBytes: 1 };
    await failureOf(drain(blobs.read(wrong)));
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(SIZE - keptBytes);
  });

  test('are read by whoever has no way to the registry', async () => {
    const [site, folder] = [await startSite(), await makeFolder()];
    const read = toRead(site, BLOB);
    const blobs = await startKept(folder);
    await drain(blobs.read(read));
    await site.close();
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
  });

  test('are read on by a reader who comes in whatever moment the last one is being let go', async () => {
    const site = await startSite();
    const blob = makeBytes(400_000, 'moments');
    // Until nobody looks so often.
    for (let moment = 0, hasCome = true; hasCome; moment += 1) {
      let isLeft = false;
      let looks = 0;
      let second: Promise<Buffer> | undefined;
      const onLook = (): void => {
        if (isLeft && looks++ === moment) second = drain(blobs.read(read));
      };
      const blobs = makeBlobs({ kept: watchGoodBytes(await openKept(await makeFolder()), onLook) });
      let fetchedBytes = 0;
      const read = toRead(site, blob, { onFetched: (bytes) => void (fetchedBytes += bytes) });
      await readSome(blobs, read, 50_000);
      isLeft = true;
      await untilKept(blobs, read.digest);
      hasCome = second !== undefined;
      expect(moment > 0 || hasCome, 'somebody looks').toBe(true);
      expect((await (second ?? drain(blobs.read(read)))).equals(blob)).toBe(true);
      expect(fetchedBytes, `at look ${moment}`).toBe(blob.length);
    }
  });

  test('cost no more than the blob, whatever link and readers do', async () => {
    const site = await startSite();
    const blob = makeBytes(3_000_000, 'cuts');
    const step = fc.record({
      cut: fc.integer({ min: 1, max: 3_000_000 }),
      leaveAfter: fc.integer({ min: 1, max: 3_500_000 }),
      fromByte: fc.nat(2_999_999),
      isRestarted: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const folder = await makeFolder();
        let fetchedBytes = 0;
        const read = toRead(site, blob, { onFetched: (bytes) => void (fetchedBytes += bytes) });
        let blobs = await startKept(folder);
        for (const { cut, leaveAfter, fromByte, isRestarted } of steps) {
          const cuts = [cut];
          site.faults.cutAfterBytes = () => cuts.shift() ?? Infinity;
          await readSome(blobs, { ...read, fromByte }, leaveAfter);
          // Two processes never have one folder.
          await blobs.keepOnly(new Set([read.digest]));
          if (isRestarted) {
            await untilKept(blobs, read.digest);
            blobs = await startKept(folder);
          }
        }
        expect((await drain(blobs.read(read))).equals(blob)).toBe(true);
        expect(fetchedBytes).toBe(blob.length);
      }),
      { numRuns: 15 },
    );
  });
});

describe('a link that fails while bytes are kept', () => {
  test('is given a minute, and no more', async () => {
    const site = await startSite();
    // Time that passes a hundred times faster.
    const clock: Clock = {
      ...systemClock,
      steadyMs: () => systemClock.steadyMs() * 100,
      sleep: (delayMs, signal) => systemClock.sleep(delayMs / 100, signal),
    };
    const blobs = makeBlobs({ kept: await openKept(await makeFolder()), clock });
    const read = toRead(site, BLOB, { stallTimeoutMs: 3_600_000 });
    await site.close();
    const startMs = clock.steadyMs();
    expect(await failureOf(drain(blobs.read(read)))).toMatchObject({ reason: 'RegistryUnreachable' });
    const lastedMs = clock.steadyMs() - startMs;
    expect(lastedMs).toBeGreaterThanOrEqual(60_000);
    // A busy machine takes its time, but never so much.
    expect(lastedMs).toBeLessThan(1_800_000);
  });

  test('has that minute anew with each byte that comes', async () => {
    const site = await startSite();
    let nowMs = 0;
    const clock: Clock = {
      ...systemClock,
      steadyMs: () => nowMs,
      sleep(delayMs, signal) {
        // Longer ones are of whoever watches that a connection is not silent.
        if (delayMs >= 15_000) return systemClock.sleep(delayMs, signal);
        nowMs += delayMs;
        return systemClock.sleep(0, signal);
      },
    };
    const blobs = makeBlobs({ kept: await openKept(await makeFolder()), clock });
    const blob = makeBytes(150_000, 'poor');
    site.faults.cutAfterBytes = 500;
    expect((await drain(blobs.read(toRead(site, blob)))).equals(blob)).toBe(true);
    // Or the test would show nothing.
    expect(nowMs).toBeGreaterThan(65_000);
  });
});

describe('two readers of one blob', () => {
  test('have it fetched once', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const read = toRead(site, BLOB);
    const found = await Promise.all([drain(blobs.read(read)), drain(blobs.read({ ...read, fromByte: 999 }))]);
    expect(found[0]?.equals(BLOB)).toBe(true);
    expect(found[1]?.equals(BLOB.subarray(999))).toBe(true);
    expect(site.servedBytes).toBe(SIZE);
  });

  test('do without the one that leaves', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const controller = new AbortController();
    let fetchedBytes = 0;
    const onFetched = (bytes: number): void => void (fetchedBytes += bytes);
    const read = toRead(site, BLOB, { onFetched });
    const first = failureOf(
      (async () => {
        let bytes = 0;
        for await (const piece of blobs.read({ ...read, signal: controller.signal })) {
          bytes += piece.length;
          if (bytes > 2_000_000) controller.abort(new Error('cancelled'));
        }
      })(),
    );
    const second = drain(blobs.read(read));
    expect(await first).toMatchObject({ message: 'cancelled' });
    expect((await second).equals(BLOB)).toBe(true);
    expect(fetchedBytes).toBe(SIZE);
  });

  test('do without the one that leaves before its registry has answered', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const leaving = new AbortController();
    const read = toRead(site, BLOB);
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const openBlob = async (_question: unknown, signal: AbortSignal): Promise<never> => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener('abort', () => reject(signal.reason));
      ask();
      return await promise;
    };
    const source = { upstream: { openBlob }, repository: 'group/app' };
    const first = failureOf(drain(blobs.read({ ...read, source, signal: leaving.signal })));
    await asked;
    const second = drain(blobs.read(read));
    leaving.abort(new Error('cancelled'));
    expect(await first).toMatchObject({ message: 'cancelled' });
    expect((await second).equals(BLOB)).toBe(true);
  });

  test('do without the one that stands still', async () => {
    const site = await startSite();
    const blobs = await startKept(await makeFolder());
    const read = toRead(site, BLOB);
    const still = blobs.read(read)[Symbol.asyncIterator]();
    await still.next();
    expect((await drain(blobs.read(read))).equals(BLOB)).toBe(true);
    await still.return?.();
  });

  test('do without the one whose password is refused', async () => {
    const site = await startSite({ auth: 'basic' });
    const blobs = await startKept(await makeFolder());
    const good = toRead(site, BLOB);
    const upstream = makeUpstream(site.address, { access: { address: site.address, credential: undefined } });
    const bad = { ...good, source: { upstream, repository: 'group/app' } };
    const [refused, found] = await Promise.all([failureOf(drain(blobs.read(bad))), drain(blobs.read(good))]);
    expect(refused).toMatchObject({ reason: 'Unauthorized' });
    expect(found.equals(BLOB)).toBe(true);
  });

  test('do without the one whose manifest gives it another size', async () => {
    const site = await startSite();
    let looks = 0;
    const onLook = (): void => {
      looks += 1;
      // Who looks without end lets no deadline come.
      if (looks > 100_000) throw new Error('it goes in circles');
    };
    const blobs = makeBlobs({ kept: watchGoodBytes(await openKept(await makeFolder()), onLook) });
    const good = toRead(site, BLOB);
    const wrong = drain(blobs.read({ ...good, sizeBytes: SIZE + 1000 }));
    const [refused, found] = await Promise.all([failureOf(wrong), drain(blobs.read(good))]);
    expect(refused).toMatchObject({ reason: 'Corrupt' });
    expect(found.equals(BLOB)).toBe(true);
    expect(looks).toBeLessThan(100_000);
  });
});
