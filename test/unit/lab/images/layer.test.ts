import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { Layer } from '#lab/images/layer';
import { fileLayer, syntheticLayer } from '#lab/images/layer';
import { formatTarHeader } from '#lab/images/tar';

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function listWithTar(layer: Layer): Promise<string> {
  const child = promisify(execFile)('tar', ['--list', '--verbose', '--gzip', '--file=-']);
  layer.open().pipe(child.child.stdin ?? process.stdout);
  return (await child).stdout;
}

it('describes exactly the bytes that it opens to', async () => {
  const layer = await syntheticLayer({ sizeBytes: 700_001, seed: 'described' });

  const bytes = await buffer(layer.open());

  expect(sha256(bytes)).toBe(layer.digest);
  expect(sha256(gunzipSync(bytes))).toBe(layer.diffId);
  expect(bytes.length).toBe(layer.sizeBytes);
});

it('opens to the same bytes each time', async () => {
  const layer = await syntheticLayer({ sizeBytes: 300_000, seed: 'twice', compressible: true });

  const [first, second] = await Promise.all([buffer(layer.open()), buffer(layer.open())]);

  expect(first.equals(second)).toBe(true);
});

it('is an archive that tar accepts, of one file of the size asked for', async () => {
  const listing = await listWithTar(await syntheticLayer({ sizeBytes: 1_234_567, seed: 1 }));

  expect(listing).toMatch(/^drwxr-xr-x 0\/0 +0 1970-01-01 00:00 synthetic\/\n/);
  expect(listing).toMatch(/\n-rw-r--r-- 0\/0 +1234567 1970-01-01 00:00 synthetic\/[0-9a-f]{16}\.bin\n$/);
});

it('holds an executable for all', async () => {
  const listing = await listWithTar(await fileLayer('hello', Buffer.from('#!/bin/sh\n')));

  expect(listing).toMatch(/^-rwxr-xr-x 0\/0 +10 1970-01-01 00:00 hello\n$/);
});

it('differs with the seed, the size and the compressibility, and with nothing else', async () => {
  const spec = { sizeBytes: 5000, seed: 'a' };
  const layers = await Promise.all([
    syntheticLayer(spec),
    syntheticLayer({ ...spec, seed: 'b' }),
    syntheticLayer({ ...spec, sizeBytes: 5001 }),
    syntheticLayer({ ...spec, compressible: true }),
  ]);

  expect(new Set(layers.map((layer) => layer.digest)).size).toBe(4);
  expect((await syntheticLayer({ ...spec })).digest).toBe(layers[0]?.digest);
});

it('compresses to a third or less when asked to, and not at all otherwise', async () => {
  const spec = { sizeBytes: 1_000_000, seed: 7 };

  const random = await syntheticLayer(spec);
  const compressible = await syntheticLayer({ ...spec, compressible: true });

  expect(random.sizeBytes).toBeGreaterThan(1_000_000);
  expect(random.sizeBytes).toBeLessThan(1_000_000 * 1.0003 + 3000);
  expect(compressible.sizeBytes).toBeLessThan(333_333);
});

it('holds no more than a few chunks of a large layer in memory', async () => {
  const beforeBytes = process.memoryUsage.rss();

  const layer = await syntheticLayer({ sizeBytes: 200_000_000, seed: 'large' });

  expect(layer.sizeBytes).toBeGreaterThan(200_000_000);
  expect(process.memoryUsage.rss() - beforeBytes).toBeLessThan(150_000_000);
});

it('refuses a name that would not fit the header', () => {
  expect(() => formatTarHeader({ name: 'x'.repeat(100), mode: 0o644, sizeBytes: 0 })).toThrow('tar name');
  expect(() => formatTarHeader({ name: '', mode: 0o644, sizeBytes: 0 })).toThrow('tar name');
});

it('refuses a size that would not fit the header', () => {
  expect(() => formatTarHeader({ name: 'x', mode: 0o644, sizeBytes: 8 ** 11 })).toThrow('tar size');
});
