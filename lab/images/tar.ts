const BLOCK_BYTES = 512;

/** A regular file or a folder in a layer. */
export interface TarEntry {
  /** Relative, at most 99 ASCII characters; a folder's ends with a slash. */
  readonly name: string;
  readonly mode: number;
  /** Of the content, 0 to 8 GiB less 1; 0 for a folder. */
  readonly sizeBytes: number;
}

/**
 * A ustar header, owned by root, last changed in 1970, so that equal files make equal layers.
 * @throws when the name or the size does not fit.
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
export function formatTarHeader(entry: TarEntry): Buffer {
  if (!/^[\x21-\x7e]{1,99}$/.test(entry.name))
    throw new Error(`not a tar name: ${JSON.stringify(entry.name)}`);
  if (entry.sizeBytes < 0 || entry.sizeBytes >= 8 ** 11)
    throw new Error(`not a tar size: ${entry.sizeBytes}`);

  const header = Buffer.alloc(BLOCK_BYTES);
  const writeOctal = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), offset, 'ascii');
  header.write(entry.name, 0, 'ascii');
  writeOctal(entry.mode, 100, 7);
  writeOctal(0, 108, 7);
  writeOctal(0, 116, 7);
  writeOctal(entry.sizeBytes, 124, 11);
  writeOctal(0, 136, 11);
  header.write(entry.name.endsWith('/') ? '5' : '0', 156, 'ascii');
  header.write('ustar\u000000', 257, 'ascii');

  // The checksum is taken with its own field as spaces.
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return header;
}

/** The zeros between a content of this size and the next header. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** The two empty blocks that end an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES);
