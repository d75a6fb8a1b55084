/** The last bytes of a stream in memory. */
export interface RecentPieces {
  /** Bytes that follow those before. */
  add(atByte: number, bytes: Uint8Array): void;
  /** The bytes from a byte on, as far as they came together. */
  find(atByte: number): Uint8Array | undefined;
  forgetBefore(byte: number): void;
}

export function createRecentPieces(): RecentPieces {
  const pieces: { readonly atByte: number; readonly bytes: Uint8Array }[] = [];
  return {
    add: (atByte, bytes) => void pieces.push({ atByte, bytes }),
    find(byte) {
      const found = pieces.findLast(({ atByte }) => atByte <= byte);
      const bytes = found?.bytes.subarray(byte - found.atByte);
      return bytes?.length === 0 ? undefined : bytes;
    },
    forgetBefore(byte) {
      const first = pieces.findIndex(({ atByte, bytes }) => atByte + bytes.length > byte);
      pieces.splice(0, first < 0 ? pieces.length : first);
    },
  };
}
