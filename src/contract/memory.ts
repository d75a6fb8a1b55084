import * as z from 'zod';
import { ImageEntry, RegistryEntry } from '#contract/desired-schema';
import { isObject, withoutNulls } from '#contract/findings';
import { PullWindowSchema, SettingsSchema } from '#contract/settings-schema';
import type { ImageRecord } from '#core/image-record';
import type { JsonObject, JsonValue } from '#core/merge-patch';
import { isFailure } from '#core/reason';
import type { FailureReason } from '#core/reason';

/** What the module remembers of itself between two starts, as it is stored: JSON, and nothing in it is a secret. */
export type Memory = z.infer<typeof MemorySchema>;

/** Of a clock that was set back it may be before 1970. */
const timeMs = z.number().min(-8.64e15).max(8.64e15);
const count = z.int().min(0);
const reason = z.custom<FailureReason>(isFailure);

/** Entries by name. One that does not fit, as another version may have written it, falls out and costs none of the others. */
const entriesOf = <T extends z.ZodType>(entry: T) =>
  z.record(z.string(), z.unknown()).transform((written) => {
    const fitting: Record<string, z.output<T>> = {};
    for (const [name, value] of Object.entries(written)) {
      const { success, data } = entry.safeParse(value);
      if (success) fitting[name] = data;
    }
    return fitting;
  });

const Failure = z.object({ reason, message: z.string(), retryAtMs: timeMs.exactOptional() });

const RememberedImage = z
  .object({
    key: z.string(),
    attempts: count,
    evictions: count,
    pullRequest: z.number().exactOptional(),
    isRequested: z.literal(true).exactOptional(),
    // What failed for a reason that this version does not know is tried at once.
    failure: Failure.optional().catch(undefined),
    seen: z
      .object({
        digest: z.string().exactOptional(),
        id: z.string().exactOptional(),
        sinceMs: timeMs.exactOptional(),
        transport: z.enum(['engine', 'relay']).exactOptional(),
      })
      .exactOptional(),
    pulledAs: z
      .object({ id: z.string(), digest: z.string(), transport: z.enum(['engine', 'relay']) })
      .exactOptional(),
  })
  .transform(({ failure, ...image }) => ({ ...image, ...(failure === undefined ? {} : { failure }) }));

const Heard = z.object({
  images: entriesOf(z.object({ image: z.string(), reason })),
  registries: entriesOf(z.object({ address: z.string(), reason, sinceMs: timeMs })),
  ready: z.object({ digest: z.string(), version: z.number().exactOptional() }).exactOptional(),
});

const MemorySchema = z.object({
  version: z.literal(1),
  desired: z
    .object({
      /** The desired properties without user names' passwords. */
      document: z.custom<JsonObject>(isObject),
      /** SHA-256 of the whole document, by which it is known again. */
      sha256: z.string(),
      /** The passwords, sealed; absent where they could not be. */
      sealed: z.string().exactOptional(),
    })
    .exactOptional(),
  /** References that this module pulled or tagged. */
  owned: z.array(z.string()),
  /** The name that each of them was listed under. */
  ownedAs: z.record(z.string(), z.string()).exactOptional(),
  /** References that the pulls in flight bring: under which name, and the image that has the reference before, if any. */
  claimed: z.record(z.string(), z.object({ name: z.string(), idBefore: z.string() })).default({}),
  images: entriesOf(RememberedImage),
  /** What was told in events. */
  heard: Heard.exactOptional(),
});

/** Reads what was stored; undefined for anything that no version wrote. */
export function parseMemory(stored: unknown): Memory | undefined {
  const { data } = MemorySchema.safeParse(stored);
  return data;
}

/** The part of a record that outlives the process. */
export function toRemembered({
  key,
  attempts,
  evictions,
  pullRequest,
  isRequested,
  failure,
  seen,
  pulledAs,
}: ImageRecord): Memory['images'][string] {
  return {
    key,
    attempts,
    evictions,
    ...(pullRequest === undefined ? {} : { pullRequest }),
    ...(isRequested === undefined ? {} : { isRequested }),
    ...(failure === undefined ? {} : { failure: { ...failure } }),
    ...(seen === undefined ? {} : { seen: { ...seen } }),
    ...(pulledAs === undefined ? {} : { pulledAs: { ...pulledAs } }),
  };
}

const PASSWORDS = ['password', 'password2'] as const;
/** What is kept of a registry; anything else in its entry may be a password under a wrong name. */
const KEPT_IN_CLEAR = ['address', 'username', 'ca'] as const;
/** A file of certificates may hold the key of one as well. */
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Takes the desired properties apart: what may be stored in clear, and the passwords by registry. */
export function splitSecrets(desired: JsonObject): { document: JsonObject; passwords: JsonObject } {
  const written = Object.entries(toObject(desired['registryCredentials']));
  // One that is null is none; without what it holds it would be one at fault.
  const entries = written.filter(([, entry]) => entry !== null);
  const registryCredentials = Object.fromEntries(
    entries.map(([name, entry]) => [name, toKeptRegistry(entry)]),
  );
  const { $version, schemaVersion } = desired;
  const settings = toKeptSettings(desired['settings']);
  const images = Object.fromEntries(
    Object.entries(toObject(desired['images'])).map(([name, image]) => [name, toKeptImage(image)]),
  );
  const kept = { $version, schemaVersion, images, settings, registryCredentials };
  return {
    document: Object.fromEntries(
      Object.entries(kept).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
    ),
    passwords: Object.fromEntries(entries.map(([name, entry]) => [name, pick(entry, PASSWORDS)])),
  };
}

/** Desired properties with the passwords put back, and the registries whose passwords are not known. */
export function joinSecrets(
  document: JsonObject,
  passwords: JsonObject,
): { document: JsonObject; unknown: readonly string[] } {
  const entries = Object.entries(toObject(document['registryCredentials']));
  const unknown = entries
    .filter(([name, entry]) => 'username' in toObject(entry) && !hasPassword(passwords[name]))
    .map(([name]) => name);
  const toEntry = (name: string, entry: JsonValue): JsonObject => ({
    ...toObject(entry),
    ...(unknown.includes(name) ? { password: 'not known' } : toObject(passwords[name])),
  });
  const registryCredentials = Object.fromEntries(
    entries.map(([name, entry]) => [name, toEntry(name, entry)]),
  );
  return { document: { ...document, registryCredentials }, unknown };
}

const hasPassword = (entry: JsonValue | undefined): boolean =>
  PASSWORDS.some((key) => key in toObject(entry));

/** In place of what may hold a secret: no image is written like this, so that the entry stays at fault. */
const NOT_KEPT = '[secret]';
/** The same, for a property: none is written like this. */
const UNFIT = [NOT_KEPT];

/** An entry without what is not known of it; one that is written as an address with a login in it is at fault. */
function toKeptImage(entry: JsonValue): JsonValue {
  const kept = isObject(entry) ? pick(entry, Object.keys(ImageEntry.shape)) : entry;
  return /@(?!sha256:)/.test(JSON.stringify(kept)) ? NOT_KEPT : kept;
}

function toKeptRegistry(entry: JsonValue): JsonObject {
  const kept = toFitting(pick(entry, KEPT_IN_CLEAR), RegistryEntry.shape);
  const { ca } = kept;
  return typeof ca === 'string' ? { ...kept, ca: ca.match(CERTIFICATES)?.join('\n') ?? UNFIT } : kept;
}

function toKeptSettings(settings: JsonValue | undefined): JsonValue | undefined {
  if (settings === undefined || settings === null) return undefined;
  if (!isObject(settings)) return UNFIT;
  const { shape } = SettingsSchema;
  const known = pick(settings, Object.keys(shape));
  const { pullWindow } = known;
  if (!isObject(pullWindow)) return toFitting(known, shape);
  const window = withoutNulls(pick(pullWindow, Object.keys(PullWindowSchema.in.shape))) as JsonObject;
  return toFitting({ ...known, pullWindow: window }, shape);
}

/** Properties without those that are null, and are none; what does not fit may be a secret in a wrong place. */
function toFitting(written: JsonObject, shape: Readonly<Record<string, z.ZodType>>): JsonObject {
  const properties = Object.entries(withoutNulls(written) as JsonObject);
  return Object.fromEntries(
    properties.map(([key, value]) => [key, shape[key]?.safeParse(value).success === true ? value : UNFIT]),
  );
}

const pick = (entry: JsonValue, keys: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(toObject(entry)).filter(([key]) => keys.includes(key)));

const toObject = (value: JsonValue | undefined): JsonObject => (isObject(value) ? (value as JsonObject) : {});
