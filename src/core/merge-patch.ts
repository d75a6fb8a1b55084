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

/**
 * Two patches as one, deletions kept, as edgeHub joins what waits for IoT Hub: what the first deletes and the second sets
 * anew is only set, so that whatever IoT Hub had there and the second does not name stays.
 */
export function joinPatches(first: JsonObject, second: JsonObject): JsonObject {
  const joined = new Map(Object.entries(first));
  for (const [key, value] of Object.entries(second)) {
    const old = joined.get(key);
    joined.set(key, isObject(old) && isObject(value) ? joinPatches(old, value) : value);
  }
  return Object.fromEntries(joined);
}

/** Stands for what is not known. It is equal to nothing that a twin can hold: no array in one holds a null. */
const UNKNOWN: JsonValue = [null, 'unknown'];

/** What is still known of a document where nobody knows whether the patch, or any part of it, was applied to it. */
export function doubt(known: JsonObject, patch: JsonObject): JsonObject {
  const result = new Map(Object.entries(known));
  for (const [key, value] of Object.entries(patch)) {
    const old = result.get(key);
    if (!isObject(value)) result.set(key, forget(old));
    else if (Object.keys(value).length > 0) result.set(key, doubt(isObject(old) ? old : {}, value));
    else if (!isObject(old)) result.set(key, UNKNOWN);
  }
  return Object.fromEntries(result);
}

/** All that may be there has to be named to be deleted. */
function forget(value: JsonValue | undefined): JsonValue {
  const entries = isObject(value) ? Object.entries(value) : [];
  return entries.length === 0
    ? UNKNOWN
    : Object.fromEntries(entries.map(([key, inner]) => [key, forget(inner)]));
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

/** Whether a value is an object, neither an array nor null. */
export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
