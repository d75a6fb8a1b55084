const MAX_PIECE_BYTES = 64 * 1024;

/** The bytes in pieces that are small enough to pass on; nothing is copied. */
export function* toPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MAX_PIECE_BYTES) yield bytes.subarray(at, at + MAX_PIECE_BYTES);
}
