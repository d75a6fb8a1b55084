/**
 * How large a layer is unpacked, as far as its compressed bytes tell: no manifest says it. gzip has the size modulo 2^32
 * at its end, zstd may have it in its head.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1
 */

/** A layer as its manifest describes it. */
interface PackedLayer {
  readonly mediaType: string;
  /** As it is fetched. */
  readonly sizeBytes: number;
}

/** The bytes of a blob that tell how large it is unpacked. */
export interface SizeClue {
  readonly fromByte: number;
  readonly lengthBytes: number;
}

/** Nobody has said it: layers of programs are between two and three times their download. */
const USUAL_FACTOR = 2.5;

const GZIP_TRAILER_BYTES = 4;
/** Deflate shrinks nothing further. */
const MAX_GZIP_FACTOR = 1032;
const ZSTD_MAX_HEAD_BYTES = 18;
const ZSTD_MAGIC = 0xfd2fb528;
/** Tar archives consist of blocks. */
const TAR_BLOCK_BYTES = 512;
const WRAP_BYTES = 2 ** 32;
/** From here on a layer of usual contents may be unpacked to more than gzip's four bytes can say. */
const MAY_WRAP_BYTES = 2 ** 30;

type Packing = 'none' | 'gzip' | 'zstd';

/** Unpacked bytes of a layer whose own word is not known. */
export const guessUnpackedBytes = (sizeBytes: number): number => Math.ceil(USUAL_FACTOR * sizeBytes);

/**
 * What the manifest itself tells of a layer.
 *
 * @param annotated - the annotation that eStargz layers have
 * @returns undefined where it tells nothing that can be believed
 */
export function toToldBytes(layer: PackedLayer, annotated: string | undefined): number | undefined {
  const packing = toPacking(layer.mediaType);
  if (packing === 'none') return toBelieved(layer.sizeBytes, layer);
  return annotated !== undefined && /^\d{1,16}$/.test(annotated)
    ? toBelieved(Number(annotated), layer)
    : undefined;
}

/** Where in a layer its unpacked size stands; undefined where nothing is known of its kind. */
export function toSizeClue({ mediaType, sizeBytes }: PackedLayer): SizeClue | undefined {
  const packing = toPacking(mediaType);
  if (packing === 'gzip' && sizeBytes > GZIP_TRAILER_BYTES) {
    return { fromByte: sizeBytes - GZIP_TRAILER_BYTES, lengthBytes: GZIP_TRAILER_BYTES };
  }
  if (packing !== 'zstd' || sizeBytes === 0) return undefined;
  return { fromByte: 0, lengthBytes: Math.min(ZSTD_MAX_HEAD_BYTES, sizeBytes) };
}

/**
 * What the bytes of a clue say. What cannot be so is not believed: of several gzip members or zstd frames one after the
 * other it is the size of one alone, mostly. Of a layer over 1 GiB the size is taken that is nearest to what is usual.
 */
export function readSizeClue(layer: PackedLayer, clue: Uint8Array): number | undefined {
  const view = new DataView(clue.buffer, clue.byteOffset, clue.byteLength);
  const packing = toPacking(layer.mediaType);
  if (packing === 'gzip') return readGzipTrailer(view, layer);
  const bytes = packing === 'zstd' ? readZstdHead(view) : undefined;
  return bytes === undefined ? undefined : toBelieved(bytes, layer);
}

/** Docker's and OCI's words for layers, those that may not be handed on included. */
const LAYER_TYPE = /^application\/vnd\.(?:docker|oci)\.image\.[\w.]+\.tar(?:[.+](?<packing>gzip|zstd))?$/;

function toPacking(mediaType: string): Packing | undefined {
  const found = LAYER_TYPE.exec(mediaType);
  if (found === null) return undefined;
  const packing = found.groups?.['packing'];
  return packing === 'gzip' || packing === 'zstd' ? packing : 'none';
}

function readGzipTrailer(view: DataView, layer: PackedLayer): number | undefined {
  if (view.byteLength !== GZIP_TRAILER_BYTES) return undefined;
  const remainder = view.getUint32(0, true);
  // Of the empty member that eStargz layers end with.
  if (remainder === 0) return undefined;
  const { sizeBytes } = layer;
  if (sizeBytes < MAY_WRAP_BYTES) return toBelieved(remainder, layer, MAX_GZIP_FACTOR * sizeBytes);
  const wraps = Math.max(Math.round((guessUnpackedBytes(sizeBytes) - remainder) / WRAP_BYTES), 0);
  const nearest = remainder + wraps * WRAP_BYTES;
  return toBelieved(nearest < toLeastBytes(sizeBytes) ? nearest + WRAP_BYTES : nearest, layer);
}

function readZstdHead(view: DataView): number | undefined {
  if (view.byteLength < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const isReserved = (descriptor & 0b1000) !== 0;
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 0b11] ?? 0;
  const fieldBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  if (isReserved || at + fieldBytes > view.byteLength) return undefined;
  switch (fieldBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8:
      return Number(view.getBigUint64(at, true));
    default:
      return undefined;
  }
}

function toBelieved(
  bytes: number,
  { sizeBytes }: PackedLayer,
  atMostBytes = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const isPossible = bytes > 0 && bytes >= toLeastBytes(sizeBytes) && bytes <= atMostBytes;
  return isPossible && bytes % TAR_BLOCK_BYTES === 0 ? bytes : undefined;
}

/** What cannot be compressed grows by some bytes for each block of it, and by a head. */
const toLeastBytes = (sizeBytes: number): number => sizeBytes - Math.ceil(sizeBytes / 1024) - 1024;
