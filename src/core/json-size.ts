/** Bytes of a value as JSON, in UTF-8: what limits of IoT Hub count. */
export function toJsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
