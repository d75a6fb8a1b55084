import { toJsonBytes, utf8Bytes } from '#core/json-size';
import { isObject } from '#core/merge-patch';
import type { JsonObject, JsonValue } from '#core/merge-patch';

/** What one patch of the reported properties may hold. @see https://github.com/Azure/iotedge/blob/1.5/edge-hub/core/src/Microsoft.Azure.Devices.Edge.Hub.Core/twin/ReportedPropertiesValidator.cs */
const MAX_PATCH_BYTES = 32_768;
const MAX_DEPTH = 10;
const MAX_KEY_BYTES = 1024;
const MAX_TEXT_BYTES = 4096;
const LEAST_INTEGER = -(2 ** 52);
const MOST_INTEGER = 2 ** 52 - 1;

/**
 * The size of a value by IoT Hub's own count: keys and strings in UTF-8 without control characters, 8 for a number,
 * 4 for a boolean, nothing for a null, objects and arrays by what they hold; `$version` and `$metadata` are free.
 *
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins#device-twin-size
 */
export function twinSizeBytes(value: JsonValue): number {
  if (value === null) return 0;
  if (typeof value === 'string') return countedBytes(value);
  if (typeof value === 'number') return 8;
  if (typeof value === 'boolean') return 4;
  if (isArray(value)) return sum(value.map(twinSizeBytes));
  const counted = Object.entries(value).filter(([key]) => key !== '$version' && key !== '$metadata');
  return sum(counted.map(([key, inner]) => countedBytes(key) + twinSizeBytes(inner)));
}

/**
 * Why edgeHub would refuse a patch of the reported properties: the path and the rule, or undefined where it takes it.
 * It has to be asked beforehand, since edgeHub refuses with an empty answer that looks like success.
 */
export function findTwinViolation(patch: JsonObject): string | undefined {
  const violation = findViolation(patch, []);
  if (violation !== undefined) return violation;
  const sizeBytes = toJsonBytes(patch);
  return sizeBytes > MAX_PATCH_BYTES
    ? `the patch has ${sizeBytes} bytes, more than ${MAX_PATCH_BYTES}`
    : undefined;
}

/**
 * Splits a patch whose JSON is longer than `maxJsonBytes` into several that do the same one after the other: the
 * entries of `registries` and `images` that are deleted first, the others after them, and everything beside these two in
 * the last one, so that a summary never speaks of entries that are still to come. Only a single entry, or the rest, that
 * is too long by itself makes a part too long.
 */
export function splitPatch(patch: JsonObject, maxJsonBytes: number): readonly JsonObject[] {
  if (toJsonBytes(patch) <= maxJsonBytes) return [patch];
  const entries = MAPS.flatMap((map) => toEntries(map, patch[map]));
  if (entries.length === 0) return [patch];
  const rest = Object.fromEntries(
    Object.entries(patch).filter(([key]) => !entries.some(({ map }) => map === key)),
  );
  const ordered = [...entries.filter(isDeletion), ...entries.filter((entry) => !isDeletion(entry))];
  const parts = pack(ordered, maxJsonBytes).map(toPart);
  if (Object.keys(rest).length === 0) return parts;
  const last = { ...parts.at(-1), ...rest };
  return toJsonBytes(last) <= maxJsonBytes ? [...parts.slice(0, -1), last] : [...parts, rest];
}

/** Of the document, those that grow with what is desired. */
const MAPS = ['registries', 'images'] as const;

interface Entry {
  readonly map: (typeof MAPS)[number];
  readonly key: string;
  readonly value: JsonValue;
}

const toEntries = (map: Entry['map'], entries: JsonValue | undefined): Entry[] =>
  isObject(entries) ? Object.entries(entries).map(([key, value]) => ({ map, key, value })) : [];

const isDeletion = ({ value }: Entry): boolean => value === null;

function toPart(entries: readonly Entry[]): JsonObject {
  const present = MAPS.filter((map) => entries.some((entry) => entry.map === map));
  const toMap = (map: Entry['map']): JsonObject =>
    Object.fromEntries(entries.filter((entry) => entry.map === map).map(({ key, value }) => [key, value]));
  return Object.fromEntries(present.map((map) => [map, toMap(map)]));
}

/** The length of `{"registries":{},"images":{}}`. */
const FRAME_BYTES = 29;

/** Puts entries together, in order, as many as fit into a part. */
function pack(entries: readonly Entry[], maxJsonBytes: number): readonly Entry[][] {
  const chunks: Entry[][] = [];
  let sizeBytes = Infinity;
  for (const entry of entries) {
    const { key, value } = entry;
    const entryBytes = toJsonBytes(key) + toJsonBytes(value) + 2;
    const chunk = chunks.at(-1);
    if (chunk === undefined || sizeBytes + entryBytes > maxJsonBytes) {
      chunks.push([entry]);
      sizeBytes = FRAME_BYTES + entryBytes;
    } else {
      chunk.push(entry);
      sizeBytes += entryBytes;
    }
  }
  return chunks;
}

function findViolation(value: JsonValue, path: readonly string[]): string | undefined {
  const rule = findBrokenRule(value, path.length);
  if (rule !== undefined) return `${formatPath(path)}: ${rule}`;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const innerPath = [...path, key];
    const keyRule = isArray(value) ? undefined : findBrokenKeyRule(key);
    if (keyRule !== undefined) return `${formatPath(innerPath)}: ${keyRule}`;
    const violation = findViolation(inner, innerPath);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

function findBrokenKeyRule(key: string): string | undefined {
  if (utf8Bytes(key) > MAX_KEY_BYTES) return `the key is longer than ${MAX_KEY_BYTES} bytes`;
  return FORBIDDEN_IN_KEYS.test(key)
    ? 'the key holds a ".", "$", "#", space or control character'
    : undefined;
}

/** The rule that a value breaks by itself; what an object holds is not looked at. */
function findBrokenRule(value: JsonValue, depth: number): string | undefined {
  if (typeof value === 'string') {
    return utf8Bytes(value) > MAX_TEXT_BYTES ? `the text is longer than ${MAX_TEXT_BYTES} bytes` : undefined;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return 'the number is not finite';
    const isTooBig = Number.isInteger(value) && (value < LEAST_INTEGER || value > MOST_INTEGER);
    return isTooBig ? 'the integer is outside -2^52…2^52-1' : undefined;
  }
  if (typeof value === 'boolean' || value === null) return undefined;
  if (depth > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH}`;
  return isArray(value) && value.includes(null) ? 'the array holds a null' : undefined;
}

const FORBIDDEN_IN_KEYS = /[\p{Cc}\s.$#]/u;

/** For people: a key may hold anything and be as long as it likes. */
const formatPath = (path: readonly string[]): string =>
  path.map((key) => (key.length <= 64 ? key : `${key.slice(0, 63)}…`)).join('.');

const isArray = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** C0 and C1, which IoT Hub does not count. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u001F\u0080-\u009F]/g;

const countedBytes = (text: string): number => utf8Bytes(text.replace(CONTROL, ''));
