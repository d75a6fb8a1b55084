/** A JSON object, as far as a twin is concerned. */
export type TwinObject = Readonly<Record<string, unknown>>;

const MAX_DOCUMENT_BYTES = 32_768;
const MAX_DEPTH = 10;
const MAX_KEY_BYTES = 1024;
const MAX_STRING_BYTES = 4096;
const MAX_INTEGER = 2 ** 52 - 1;
const MIN_INTEGER = -(2 ** 52);

/** Objects nested in arrays are the cloud's concern alone; edgeHub refuses more characters in keys, and nulls in arrays. */
interface Rules {
  readonly forbiddenInKeys: RegExp;
  readonly areArraysLooked: boolean;
}
const EDGE_HUB: Rules = { forbiddenInKeys: /[\p{Cc}\s.$#]/u, areArraysLooked: false };
const IOT_HUB: Rules = { forbiddenInKeys: /[\p{Cc}.$ ]/u, areArraysLooked: true };

/** Whether a JSON value is an object, not an array and not null. */
export function isTwinObject(value: unknown): value is TwinObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Why edgeHub answers a reported patch with 400; undefined where it takes it.
 * @param jsonBytes the size of the patch as JSON text
 * @see https://github.com/Azure/iotedge/blob/94e4593a8e/edge-hub/core/src/Microsoft.Azure.Devices.Edge.Hub.Core/twin/ReportedPropertiesValidator.cs
 */
export function findReportFault(patch: unknown, jsonBytes: number): string | undefined {
  if (!isTwinObject(patch)) return 'the patch is no JSON object';
  const fault = findFault(patch, EDGE_HUB, 1);
  if (fault !== undefined) return fault;
  if (jsonBytes > MAX_DOCUMENT_BYTES) return `the patch has ${jsonBytes} bytes`;
  return hasNullInArray(patch) ? 'an array holds null' : undefined;
}

/**
 * Why IoT Hub refuses a whole section of the twin; undefined where it takes it.
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins#tags-and-properties-format
 */
export function findSectionFault(section: TwinObject): string | undefined {
  const fault = findFault(section, IOT_HUB, 1);
  if (fault !== undefined) return fault;
  const sizeBytes = measureTwinBytes(section);
  return sizeBytes > MAX_DOCUMENT_BYTES ? `the section has ${sizeBytes} bytes` : undefined;
}

/**
 * The size of a value as IoT Hub counts it: keys and strings in UTF-8 without control characters, 8 for a number,
 * 4 for a boolean, 0 for null, no punctuation.
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins#device-twin-size
 */
export function measureTwinBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value.replaceAll(/\p{Cc}/gu, ''));
  if (typeof value === 'number') return 8;
  if (typeof value === 'boolean') return 4;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + measureTwinBytes(item), 0);
  if (!isTwinObject(value)) return 0;
  return Object.entries(value).reduce(
    (sum, [key, item]) => sum + measureTwinBytes(key) + measureTwinBytes(item),
    0,
  );
}

function findFault(object: TwinObject, rules: Rules, depth: number): string | undefined {
  for (const [key, value] of Object.entries(object)) {
    const fault = findKeyFault(key, rules) ?? findValueFault(value, rules, depth);
    if (fault !== undefined) return `${key.slice(0, 40)}: ${fault}`;
  }
  return undefined;
}

function findKeyFault(key: string, rules: Rules): string | undefined {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return 'the key is too long';
  return rules.forbiddenInKeys.test(key) ? 'the key has a forbidden character' : undefined;
}

function findValueFault(value: unknown, rules: Rules, depth: number): string | undefined {
  if (typeof value === 'string') {
    return Buffer.byteLength(value) > MAX_STRING_BYTES ? 'the string is too long' : undefined;
  }
  if (Number.isInteger(value)) {
    return Number(value) > MAX_INTEGER || Number(value) < MIN_INTEGER ? 'the integer is too big' : undefined;
  }
  if (Array.isArray(value)) {
    if (!rules.areArraysLooked) return undefined;
    return value.map((item) => findValueFault(item, rules, depth)).find((fault) => fault !== undefined);
  }
  if (!isTwinObject(value)) return undefined;
  return depth > MAX_DEPTH ? 'it is nested too deeply' : findFault(value, rules, depth + 1);
}

function hasNullInArray(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((item) => item === null || hasNullInArray(item));
  return isTwinObject(value) && Object.values(value).some(hasNullInArray);
}
