import type { Fault } from '#core/desired-state';
import type * as z from 'zod';

/** What a parser found beside its result: one list for a whole document, appended to entry by entry. */
export interface Findings {
  readonly faults: Fault[];
  readonly unknownProperties: string[];
}

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** What an operator may call an entry of `images` or `registryCredentials`. */
export const ENTRY_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** The longest message of a fault, in characters: as long as a reported message may be. */
export const MAX_MESSAGE_LENGTH = 256;

/** Whether `value` is a JSON object: not null, no array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` without the properties that are null or undefined: in a twin, null means that there is none. */
export function withoutNulls(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([, property]) => (property ?? null) !== null));
}

/** `text` on one line of well-formed Unicode, cut to `maxLength` characters. */
export function toLine(text: string, maxLength = MAX_MESSAGE_LENGTH): string {
  const cut = text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
  return cut.toWellFormed().replace(/\p{Cc}/gu, '\uFFFD');
}

/** A path for people: `images.camera.tagAs.0`; a key that is no plain name stands in quotes. */
export function formatPath(...keys: readonly PropertyKey[]): string {
  return keys.map((key) => formatKey(String(key))).join('.');
}

const formatKey = (key: string): string => (/^[\w$-]{1,64}$/.test(key) ? key : `"${toLine(key, 64)}"`);

/** A fault whose message is fit to be shown. */
export function toFault(path: string, message: string): Fault {
  return { path, message: toLine(message) };
}

/** What zod found wrong with the value at `path`, as faults. */
export function toFaults(error: z.ZodError, path: readonly PropertyKey[]): readonly Fault[] {
  return error.issues.map((issue) => toFault(formatPath(...path, ...issue.path), issue.message));
}

/** Notes the properties of `value` that `known` does not hold. Names that start with `$` are IoT Hub's own. */
export function noteUnknown(value: Json, known: object, path: readonly string[], findings: Findings): void {
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(known, key) && !key.startsWith('$')) {
      findings.unknownProperties.push(formatPath(...path, key));
    }
  }
}

/** The entries of a map that are not null, in name order; `isNamed` is false where the name breaks the rule. */
export function listEntries(map: Json): readonly { name: string; value: unknown; isNamed: boolean }[] {
  return Object.entries(withoutNulls(map))
    .map(([name, value]) => ({ name, value, isNamed: ENTRY_NAME.test(name) && name !== '__proto__' }))
    .toSorted((a, b) => compareText(a.name, b.name));
}

/** What is wrong with an entry whose name breaks the rule. */
export const NAME_FAULT =
  'the name of an entry must be 1 to 64 letters, digits, "_" or "-"; the entry is left out, of the report too';

/** Orders text by its UTF-16 code units, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
