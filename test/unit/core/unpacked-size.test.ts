import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { guessUnpackedBytes, readSizeClue, toSizeClue, toToldBytes } from '#core/unpacked-size';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const TAR = 'application/vnd.oci.image.layer.v1.tar';
const GIB = 2 ** 30;

/** What a blob says of itself, asked as a registry is. */
function sizeOf(blob: Buffer, mediaType: string): number | undefined {
  const layer = { mediaType, sizeBytes: blob.length };
  const clue = toSizeClue(layer);
  if (clue === undefined) return undefined;
  return readSizeClue(layer, blob.subarray(clue.fromByte, clue.fromByte + clue.lengthBytes));
}

/** What a large gzip layer says that ends in these four bytes. */
function endingIn(remainder: number, sizeBytes: number): number | undefined {
  const clue = Buffer.alloc(4);
  clue.writeUInt32LE(remainder);
  return readSizeClue({ mediaType: GZIP, sizeBytes }, clue);
}

/** Tar archives have whole blocks. */
const archives = fc
  .tuple(fc.integer({ min: 2, max: 400 }), fc.uint8Array({ minLength: 1, maxLength: 512 }))
  .map(([blocks, content]) => Buffer.alloc(512 * blocks, content));

describe('gzip', () => {
  test.each([
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ])('says exactly how large it is unpacked: %s', (mediaType) => {
    fc.assert(
      fc.property(archives, fc.integer({ min: 0, max: 9 }), (archive, level) => {
        expect(sizeOf(gzipSync(archive, { level }), mediaType)).toBe(archive.length);
      }),
    );
  });

  it('of several members is not believed: the last one’s size is none of the whole', () => {
    const [large, small] = [Buffer.alloc(512 * 4000), Buffer.alloc(1024)];
    crypto.getRandomValues(large.subarray(0, 60_000));
    expect(sizeOf(Buffer.concat([gzipSync(large), gzipSync(small)]), GZIP)).toBeUndefined();
    expect(sizeOf(Buffer.concat([gzipSync(large), gzipSync('')]), GZIP)).toBeUndefined();
  });

  test.each([
    ['is no whole number of blocks', 50_001, 20_000],
    ['is less than the download', 10_240, 20_000],
    ['is more than any could shrink', 512 * 60_000, 20_000],
    ['is nothing', 0, 900],
  ])('is not believed where it %s', (_case, remainder, sizeBytes) => {
    expect(endingIn(remainder, sizeBytes)).toBeUndefined();
  });

  test.each([
    [3 * GIB, 1.2 * GIB, 3 * GIB],
    [0.5 * GIB, 1.8 * GIB, 4.5 * GIB],
    [1 * GIB, 1.9 * GIB, 5 * GIB],
    [3 * GIB, 3 * GIB, 7 * GIB],
    [2 * GIB, 2.5 * GIB, 6 * GIB],
    [2 * GIB, 4 * GIB, 10 * GIB],
    [0.875 * GIB, 1.1 * GIB, 4.875 * GIB],
  ])('of a large layer that says %i after %i bytes is taken for the nearest that can be: %i', (...row) => {
    const [remainder, sizeBytes, unpackedBytes] = row;
    expect(endingIn(remainder, Math.round(sizeBytes))).toBe(unpackedBytes);
  });
});

describe('zstd', () => {
  it('says exactly how large it is unpacked, where its writer knew it', () => {
    fc.assert(
      fc.property(archives, (archive) => {
        const blob = zstdCompressSync(archive, { pledgedSrcSize: archive.length });
        expect(sizeOf(blob, ZSTD)).toBe(archive.length);
      }),
    );
  });

  it('says nothing where its writer did not know it', () => {
    const params = { [constants.ZSTD_c_contentSizeFlag]: 0 };
    expect(sizeOf(zstdCompressSync(Buffer.alloc(512 * 4000, 'x'), { params }), ZSTD)).toBeUndefined();
  });

  /** Descriptor, window or not, dictionary, content size. */
  test.each<[string, readonly number[], number | undefined]>([
    ['a byte, one segment', [0x20, 0, 0, 0], undefined],
    ['two bytes, which count from 256', [0x40, 0x58, 0x00, 0x03], 0x300 + 256],
    ['four bytes', [0x80, 0x58, 0x00, 0x04, 0x01, 0x00], 0x1_0400],
    ['four bytes, one segment', [0xa0, 0x00, 0x04, 0x01, 0x00], 0x1_0400],
    ['eight bytes', [0xc0, 0x58, 0, 0, 0, 0, 5, 0, 0, 0], 5 * 2 ** 32],
    ['four bytes after a dictionary of one', [0x81, 0x58, 9, 0x00, 0x04, 0x01, 0x00], 0x1_0400],
    ['four bytes after a dictionary of two', [0x82, 0x58, 9, 9, 0x00, 0x04, 0x01, 0x00], 0x1_0400],
    ['eight bytes after a dictionary of four', [0xc3, 0x58, 9, 9, 9, 9, 0, 0, 0, 0, 5, 0, 0, 0], 5 * 2 ** 32],
    ['none', [0x00, 0x58, 1, 2, 3, 4], undefined],
    ['a reserved bit', [0x88, 0x58, 0x00, 0x04, 0x01, 0x00], undefined],
    ['more than a number can hold', [0xc0, 0x58, 0, 2, 0, 0, 0, 0, 0, 0xff], undefined],
    ['a head that is cut off', [0x80, 0x58, 0x00], undefined],
  ])('is read by RFC 8878: %s', (_case, head, unpackedBytes) => {
    const clue = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...head]);
    expect(readSizeClue({ mediaType: ZSTD, sizeBytes: 900 }, clue)).toBe(unpackedBytes);
  });

  it('of many frames is not believed: the first one’s size is none of the whole', () => {
    const frames = Array.from({ length: 40 }, () => {
      const file = crypto.getRandomValues(Buffer.alloc(1024));
      return zstdCompressSync(file, { pledgedSrcSize: file.length });
    });
    expect(sizeOf(Buffer.concat(frames), ZSTD)).toBeUndefined();
  });

  it('with another magic number is none', () => {
    const clue = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0x80, 0x58, 0x00, 0x04, 0x01, 0x00]);
    expect(readSizeClue({ mediaType: ZSTD, sizeBytes: 900 }, clue)).toBeUndefined();
  });
});

describe('a manifest', () => {
  test.each<[string, string, number, string | undefined, number | undefined]>([
    ['tells the size of a layer that is not compressed', TAR, 10_240, undefined, 10_240],
    ['of Docker’s kind does so too', 'application/vnd.docker.image.rootfs.diff.tar', 1024, undefined, 1024],
    ['is not believed where that is no archive', TAR, 10_241, undefined, undefined],
    ['tells that of an eStargz layer by its annotation', GZIP, 5000, '20480', 20_480],
    ['is not believed where the annotation is no number', GZIP, 5000, '2e5', undefined],
    ['is not believed where the annotation is less than the download', GZIP, 50_000, '20480', undefined],
    ['tells nothing of a compressed layer', GZIP, 5000, undefined, undefined],
    ['tells nothing of what is encrypted', `${GZIP}+encrypted`, 10_240, undefined, undefined],
  ])('%s', (...row) => {
    const [, mediaType, sizeBytes, annotated, unpackedBytes] = row;
    expect(toToldBytes({ mediaType, sizeBytes }, annotated)).toBe(unpackedBytes);
  });
});

test.each([
  ['gzip by its last four bytes', GZIP, 5000, { fromByte: 4996, lengthBytes: 4 }],
  ['zstd by its first eighteen', ZSTD, 5000, { fromByte: 0, lengthBytes: 18 }],
  ['a short zstd by all that it has', ZSTD, 15, { fromByte: 0, lengthBytes: 15 }],
  ['no gzip that has no end', GZIP, 4, undefined],
  ['nothing that is empty', ZSTD, 0, undefined],
  ['nothing of an unknown kind', 'application/octet-stream', 5000, undefined],
  ['nothing encrypted', `${GZIP}+encrypted`, 5000, undefined],
  ['nothing that the manifest tells', TAR, 5000, undefined],
])('asks for %s', (_case, mediaType, sizeBytes, clue) => {
  expect(toSizeClue({ mediaType, sizeBytes })).toEqual(clue);
});

it('whatever the bytes are: what is believed is whole blocks, and not less than the download', () => {
  const types = fc.oneof(fc.constantFrom(GZIP, ZSTD, TAR), fc.string());
  const magic = fc
    .uint8Array({ maxLength: 14 })
    .map((rest) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...rest));
  const clues = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    magic,
  );
  fc.assert(
    fc.property(types, fc.maxSafeNat(), clues, (mediaType, sizeBytes, clue) => {
      toSizeClue({ mediaType, sizeBytes });
      const found = readSizeClue({ mediaType, sizeBytes }, clue);
      if (found === undefined) return;
      expect(found % 512).toBe(0);
      expect(found).toBeGreaterThanOrEqual(sizeBytes * 0.999 - 1100);
      expect(Number.isSafeInteger(found)).toBe(true);
    }),
  );
});

it('what nobody says is guessed as two and a half times the download', () => {
  expect(guessUnpackedBytes(101)).toBe(253);
});
