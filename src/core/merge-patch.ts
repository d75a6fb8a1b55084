/** JSON Merge Patch, as device twins use it: objects merge by key, everything else is replaced, null deletes. @see RFC 7396 */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** The smallest patch that turns `before` into `after`; undefined where they are equal. Arrays are compared whole. */
export function mergePatch(before: JsonObject, after: JsonObject): JsonObject | undefined {
  // A map takes every key for a key, `__proto__` too.
  const patch = new Map<string, JsonValue>();
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) patch.set(key, null);
  }
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (isObject(old) && isObject(value)) {
      const inner = mergePatch(old, value);
      if (inner !== undefined) patch.set(key, inner);
    } else if (old !== value && JSON.stringify(old) !== JSON.stringify(value)) {
      patch.set(key, value);
    }
  }
  return patch.size === 0 ? undefined : Object.fromEntries(patch);
}

/** `document` with `patch` applied. */
export function applyPatch(document: JsonObject, patch: JsonObject): JsonObject {
  const result = new Map(Object.entries(document));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      result.delete(key);
    } else if (isObject(value)) {
      const old = result.get(key);
      result.set(key, applyPatch(isObject(old) ? old : {}, value));
    } else {
      result.set(key, value);
    }
  }
  return Object.fromEntries(result);
}

/** Keys that change while bytes come in and nothing else happens. */
const PROGRESS_KEYS: ReadonlySet<string> = new Set([
  'percent',
  'downloadedBytes',
  'totalBytes',
  'etaSeconds',
  // Alone: why it waits, in other words.
  'message',
]);

/** Whether a patch of the reported document holds anything but progress. */
export function hasMoreThanProgress(patch: JsonObject): boolean {
  return Object.entries(patch).some(([key, value]) =>
    isObject(value) ? hasMoreThanProgress(value) : !PROGRESS_KEYS.has(key),
  );
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
