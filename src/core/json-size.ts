const BEYOND_ASCII = /[\u0080-\uFFFF]/;

/** The length of `text` in UTF-8. */
export function utf8Bytes(text: string): number {
  // Most texts are ASCII, and a report of 500 images has thousands of them.
  return BEYOND_ASCII.test(text) ? new TextEncoder().encode(text).length : text.length;
}

/** Bytes of a value as JSON without spaces, in UTF-8: what limits of IoT Hub count. */
export function toJsonBytes(value: unknown): number {
  return utf8Bytes(JSON.stringify(value));
}
