import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import type { ImageLayer } from '#core/image-content';
import { createUnpackedSizes } from '#relay/unpacked-sizes';
import { makeUpstream, NEVER } from '#test/unit/relay/bench';
import { makeBytes, startSite } from '#test/unit/relay/site';
import type { Site, SiteOptions } from '#test/unit/relay/site';

const TYPE = 'application/vnd.oci.image.layer.v1.tar+';

/** An archive of whole blocks, the beginning of which does not shrink. */
const archiveOf = (blocks: number, seed: string): Buffer =>
  Buffer.concat([makeBytes(256 * blocks, seed), Buffer.alloc(256 * blocks)]);

const hold = (site: Site, bytes: Buffer, packing: 'gzip' | 'zstd' = 'gzip'): ImageLayer => ({
  digest: site.holdBlob(bytes),
  sizeBytes: bytes.length,
  mediaType: `${TYPE}${packing}`,
  diffId: '',
});

async function start(options: SiteOptions = {}) {
  const site = await startSite(options);
  const source = { upstream: makeUpstream(site.address), repository: 'group/app' };
  const sizes = createUnpackedSizes();
  const fetch = (layers: readonly ImageLayer[], signal = NEVER) => sizes.fetch({ layers, signal }, source);
  const ranges = (): (string | undefined)[] =>
    site.requests.filter(({ url }) => url.includes('/blobs/')).map(({ range }) => range);
  return { site, fetch, ranges };
}

describe('the unpacked size of a layer', () => {
  it('is known for four bytes of a gzip, and eighteen of a zstd', async () => {
    const { site, fetch, ranges } = await start({ auth: 'bearer' });
    const [one, two] = [archiveOf(200, 'one'), archiveOf(3000, 'two')];
    const gzip = hold(site, gzipSync(one));
    const zstd = hold(site, zstdCompressSync(two, { pledgedSrcSize: two.length }), 'zstd');
    expect(await fetch([gzip, zstd])).toEqual(
      new Map([
        [gzip.digest, one.length],
        [zstd.digest, two.length],
      ]),
    );
    expect(new Set(ranges())).toEqual(
      new Set([`bytes=${gzip.sizeBytes - 4}-${gzip.sizeBytes - 1}`, 'bytes=0-17']),
    );
    expect(site.servedBytes).toBe(22);
  });

  it('is asked for once, whoever asks and however often', async () => {
    const { site, fetch, ranges } = await start();
    const layer = hold(site, gzipSync(archiveOf(200, 'one')));
    const odd = hold(site, gzipSync('no archive'));
    const found = await Promise.all([fetch([layer, odd]), fetch([odd, layer])]);
    expect(found[0]).toEqual(found[1]);
    expect([...found[0].keys()]).toEqual([layer.digest]);
    await fetch([layer, odd]);
    expect(ranges()).toHaveLength(2);
  });

  it('over one connection, where one layer is asked for after the other', async () => {
    const { site, fetch } = await start();
    const ask = (seed: string) => fetch([hold(site, gzipSync(archiveOf(200, seed)))]);
    expect((await ask('one')).size).toBe(1);
    const { connections } = site;
    for (const seed of ['two', 'three']) expect((await ask(seed)).size).toBe(1);
    expect(site.connections).toBe(connections);
  });

  it('is not known of a registry without Range, and the layer is not fetched for it', async () => {
    const { site, fetch, ranges } = await start();
    site.faults.ignoresRange = true;
    // Nothing more would ever come.
    site.faults.hangAfterBytes = 1000;
    const layer = hold(site, gzipSync(archiveOf(20_000, 'one')));
    expect((await fetch([layer])).size).toBe(0);
    await fetch([layer]);
    expect(ranges()).toHaveLength(1);
    await expect.poll(() => site.openConnections()).toBe(0);
  });

  it('is known of a zstd from a registry without Range, at the first bytes', async () => {
    const { site, fetch } = await start();
    site.faults.ignoresRange = true;
    site.faults.hangAfterBytes = 1000;
    const archive = archiveOf(20_000, 'one');
    const layer = hold(site, zstdCompressSync(archive, { pledgedSrcSize: archive.length }), 'zstd');
    expect((await fetch([layer])).get(layer.digest)).toBe(archive.length);
    await expect.poll(() => site.openConnections()).toBe(0);
  });

  test.each([404, 403, 500, 429])('is asked for again after an answer of %i', async (status) => {
    const { site, fetch } = await start();
    const layer = hold(site, gzipSync(archiveOf(200, 'one')));
    site.faults.statuses = [status];
    expect((await fetch([layer])).size).toBe(0);
    expect((await fetch([layer])).size).toBe(1);
  });

  it('is not waited for where it does not come within seconds, and asked for again', async () => {
    const { site, fetch, ranges } = await start();
    const layer = hold(site, gzipSync(archiveOf(200, 'one')));
    site.faults.hangAfterBytes = 1;
    expect((await fetch([layer])).size).toBe(0);
    await expect.poll(() => site.openConnections()).toBe(0);
    site.faults.hangAfterBytes = Infinity;
    expect((await fetch([layer])).size).toBe(1);
    expect(ranges()).toHaveLength(2);
  }, 20_000);

  it('of one layer is not missed for another that fails', async () => {
    const { site, fetch } = await start();
    const layer = hold(site, gzipSync(archiveOf(200, 'one')));
    const lost = { ...layer, digest: `sha256:${'0'.repeat(64)}` };
    expect([...(await fetch([lost, layer])).keys()]).toEqual([layer.digest]);
  });

  it('is given up when nobody wants to wait, and asked for by the next', async () => {
    const { site, fetch, ranges } = await start();
    const layer = hold(site, gzipSync(archiveOf(200, 'one')));
    site.faults.hangAfterBytes = 0;
    const leaving = new AbortController();
    const first = fetch([layer], leaving.signal);
    await expect.poll(() => ranges().length).toBe(1);
    const second = fetch([layer]);
    site.faults.hangAfterBytes = Infinity;
    leaving.abort();
    expect((await first).size).toBe(0);
    expect((await second).size).toBe(1);
    expect((await fetch([hold(site, gzipSync(archiveOf(9, 'two')))], leaving.signal)).size).toBe(0);
    expect(ranges()).toHaveLength(2);
  });
});
