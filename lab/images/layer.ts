import { createCipheriv, createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { formatTarHeader, TAR_END, tarPadding } from './tar.ts';

const CHUNK_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** A layer of one made-up file. Equal specs make byte for byte equal layers, which images then share. */
export interface LayerSpec {
  /** Of the file, 0 to 8 GiB less 1. An incompressible one's layer is at most 0.03 % and 3 kB larger. */
  readonly sizeBytes: number;
  readonly seed: string | number;
  /** Compresses to about a quarter. Default false: random bytes. */
  readonly compressible?: boolean;
}

/** A layer as a registry keeps it: a tar archive through gzip. */
export interface Layer {
  /** `sha256:<hex>` of the compressed bytes. */
  readonly digest: string;
  /** `sha256:<hex>` of the archive, as image configurations list it. */
  readonly diffId: string;
  /** Of the compressed bytes. */
  readonly sizeBytes: number;
  /** Makes the compressed bytes anew, a chunk at a time. */
  open(): Readable;
}

const known = new Map<string, Promise<Layer>>();

/** The layer of a spec. A second call with the same spec costs nothing. */
export function syntheticLayer(spec: LayerSpec): Promise<Layer> {
  const { sizeBytes, seed, compressible = false } = spec;
  const key = JSON.stringify([sizeBytes, String(seed), compressible]);
  const found = known.get(key);
  if (found !== undefined) return found;

  // Kept by name in the archive, so that no two layers write the same file.
  const name = `synthetic/${createHash('sha256').update(key).digest('hex').slice(0, 16)}.bin`;
  async function* archive(): AsyncGenerator<Buffer> {
    yield formatTarHeader({ name: 'synthetic/', mode: 0o755, sizeBytes: 0 });
    yield formatTarHeader({ name, mode: 0o644, sizeBytes });
    yield* content({ sizeBytes, key, compressible });
    yield tarPadding(sizeBytes);
    yield TAR_END;
  }
  const layer = toLayer(archive, compressible ? 1 : 0);
  known.set(key, layer);
  return layer;
}

/** A layer of one small file, executable by all. */
export function fileLayer(name: string, bytes: Buffer): Promise<Layer> {
  async function* archive(): AsyncGenerator<Buffer> {
    yield formatTarHeader({ name, mode: 0o755, sizeBytes: bytes.length });
    yield bytes;
    yield tarPadding(bytes.length);
    yield TAR_END;
  }
  return toLayer(archive, 9);
}

/** AES in counter mode is the fastest source of bytes that a seed decides and gzip cannot shrink. */
function* content(file: { sizeBytes: number; key: string; compressible: boolean }): Generator<Buffer> {
  const key = createHash('sha256').update(file.key).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let offset = 0; offset < file.sizeBytes; offset += CHUNK_BYTES) {
    const chunk = cipher.update(ZEROS.subarray(0, Math.min(CHUNK_BYTES, file.sizeBytes - offset)));
    if (file.compressible) {
      for (let block = 0; block < chunk.length; block += 4096)
        chunk.subarray(block + 1024, block + 4096).fill(0);
    }
    yield chunk;
  }
}

async function toLayer(archive: () => AsyncGenerator<Buffer>, level: number): Promise<Layer> {
  const diff = createHash('sha256');
  const blob = createHash('sha256');
  let sizeBytes = 0;
  async function* tee(): AsyncGenerator<Buffer> {
    for await (const chunk of archive()) {
      diff.update(chunk);
      yield chunk;
    }
  }
  const compress = (source: AsyncGenerator<Buffer>) => {
    const gzip = createGzip({ level, chunkSize: CHUNK_BYTES });
    const plain = Readable.from(source, { objectMode: false });
    plain.once('error', (error) => gzip.destroy(error));
    return plain.pipe(gzip);
  };
  for await (const chunk of compress(tee()) as AsyncIterable<Buffer>) {
    blob.update(chunk);
    sizeBytes += chunk.length;
  }
  return {
    digest: `sha256:${blob.digest('hex')}`,
    diffId: `sha256:${diff.digest('hex')}`,
    sizeBytes,
    open: () => compress(archive()),
  };
}
