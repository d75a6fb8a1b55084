import type { Paged } from '#contract/status-page';
import { isObject } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import { toReasonAdvice } from '#core/reason';
import type { Reason } from '#core/reason';
import type { Route } from '#core/route';
import type { ImageStatus, RegistryStatus, Status, Summary } from '#core/status';
import { twinSizeBytes } from '#core/twin-size';

/** The reported document stays under this, by IoT Hub's own count: it refuses 32 KB, and edgeHub would never say so. */
export const MAX_REPORTED_BYTES = 30_000;

/** Registries get at most a third of the document: images are what it is for. */
const MAX_REGISTRIES_BYTES = 10_000;

const MAX_MESSAGE_LENGTH = 256;

/** How much of each entry is told; what can be done without goes first. */
type Detail = 'full' | 'no-messages' | 'no-sizes-and-times';

const DETAILS: readonly Detail[] = ['full', 'no-messages', 'no-sizes-and-times'];

/** The order in which whole entries are left out: what is well first, what failed last. */
const EXPENDABLE: readonly ImageStatus['phase'][] = ['Pulled', 'Waiting', 'Pulling', 'Failed'];

/**
 * The reported document of a status, cut to fit a twin: detail goes first, then entries; `summary` and `omitted` stay
 * exact. The same status gives the same document.
 */
export function toReported(status: Status): JsonObject {
  const head = toHead(status);
  if (toLeastBytes(status) >= MAX_REPORTED_BYTES) return toShortened(head, status);
  for (const detail of DETAILS) {
    const registries = toRegistryEntries(status.registries, detail);
    const images = [...status.images].map(([name, image]) => [name, toImageEntry(image, detail)] as const);
    const document = {
      ...head,
      registries: Object.fromEntries(registries),
      images: Object.fromEntries(images),
    };
    if (twinSizeBytes(document) < MAX_REPORTED_BYTES) return document;
  }
  return toShortened(head, status);
}

/** What the document and its parts may have, and need not; an entry of either map has some of these at a time. */
const OPTIONAL = {
  document: words('lastDesiredVersion lastDesiredStatus omitted'),
  agent: words('engine platform'),
  summary: words('downloadedBytes totalBytes etaSeconds readyAt setDigest'),
  registry: words('credential reason message checkedAt'),
  image: words(
    'reason message percent downloadedBytes totalBytes digest sizeBytes attempts retryAt pulledAt transport evictions',
  ),
};

function words(text: string): readonly string[] {
  return text.split(' ');
}

/**
 * A reported document with a null for all that it does not have and another one may: who sends it deletes what stands
 * there, whether it is known or not.
 */
export function withAbsent(document: JsonObject): JsonObject {
  const { agent, summary, registries, images } = document;
  return withNulls(
    {
      ...document,
      ...(isObject(agent) ? { agent: withNulls(agent, OPTIONAL.agent) } : {}),
      ...(isObject(summary) ? { summary: withNulls(summary, OPTIONAL.summary) } : {}),
      ...(isObject(registries) ? { registries: withNullsInEach(registries, OPTIONAL.registry) } : {}),
      ...(isObject(images) ? { images: withNullsInEach(images, OPTIONAL.image) } : {}),
    },
    OPTIONAL.document,
  );
}

const withNulls = (object: JsonObject, keys: readonly string[]): JsonObject => ({
  ...Object.fromEntries(keys.map((key) => [key, null])),
  ...object,
});

const withNullsInEach = (map: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(
    Object.entries(map).map(([name, entry]) => [name, isObject(entry) ? withNulls(entry, keys) : entry]),
  );

/** The document with nothing left out of an entry, its parts apart: what `GetStatus` answers page by page. */
export function toWhole(status: Status): Paged & { readonly head: JsonObject } {
  const { registries, images } = status;
  return {
    head: toHead(status),
    registries: [...registries].map(([name, registry]) => [
      name,
      withRoute(withAdvice(toRegistryEntry(registry, 'full'), registry.reason), registry.route),
    ]),
    images: [...images].map(([name, image]) => [name, withAdvice(toImageEntry(image, 'full'), image.reason)]),
  };
}

function withAdvice(entry: JsonObject, reason: Reason | undefined): JsonObject {
  const advice = toReasonAdvice(reason);
  return advice === undefined ? entry : { ...entry, advice };
}

/** How images of a registry come is told to whoever asks the device alone. */
function withRoute(entry: JsonObject, route: Route | undefined): JsonObject {
  return route === undefined ? entry : { ...entry, transport: route.transport, transportReason: route.why };
}

function toHead(status: Status): JsonObject {
  const { lastDesiredVersion, lastDesiredStatus, agent } = status;
  return defined({
    schemaVersion: '1.0',
    lastDesiredVersion,
    lastDesiredStatus: lastDesiredStatus && { ...lastDesiredStatus },
    agent: defined({
      version: agent.version,
      startedAt: formatTime(agent.startedAtMs),
      engine: agent.engine,
      platform: agent.platform,
    }),
    summary: toSummary(status.summary),
  });
}

function toSummary({ isReady, progress, ready, ...counts }: Summary): JsonObject {
  return defined({
    ready: isReady,
    ...counts,
    downloadedBytes: progress?.downloadedBytes,
    totalBytes: progress?.totalBytes,
    etaSeconds: progress?.etaSeconds,
    readyAt: ready && formatTime(ready.atMs),
    setDigest: ready?.setDigest,
  });
}

function toRegistryEntry(registry: RegistryStatus, detail: Detail): JsonObject {
  const { address, login, credential, reason, message, checkedAtMs } = registry;
  return defined({
    address,
    login,
    credential,
    reason,
    message: detail === 'full' ? cut(message) : undefined,
    checkedAt: detail === 'no-sizes-and-times' ? undefined : formatTime(checkedAtMs),
  });
}

function toImageEntry(image: ImageStatus, detail: Detail): JsonObject {
  const isBrief = detail === 'no-sizes-and-times';
  return defined({
    image: image.image,
    phase: image.phase,
    reason: image.reason,
    message: detail === 'full' ? cut(image.message) : undefined,
    percent: image.percent,
    downloadedBytes: isBrief ? undefined : image.downloadedBytes,
    totalBytes: isBrief ? undefined : image.totalBytes,
    digest: image.digest,
    sizeBytes: isBrief ? undefined : image.sizeBytes,
    attempts: image.attempts || undefined,
    retryAt: isBrief ? undefined : formatTime(image.retryAtMs),
    pulledAt: isBrief ? undefined : formatTime(image.pulledAtMs),
    transport: image.transport,
    evictions: image.evictions || undefined,
  });
}

function toRegistryEntries(registries: Status['registries'], detail: Detail): [string, JsonObject][] {
  return [...registries].map(([name, registry]) => [name, toRegistryEntry(registry, detail)]);
}

function toShortened(head: JsonObject, status: Status): JsonObject {
  const registries = toRegistryEntries(status.registries, 'no-sizes-and-times');
  const keptRegistries = takeWithin(registries, MAX_REGISTRIES_BYTES);
  const frame = { ...head, registries: Object.fromEntries(keptRegistries), images: {}, omitted: 0 };
  // What is kept last is chosen first, so that one sweep over the budget decides.
  const all = [...status.images];
  const ranked = EXPENDABLE.toReversed().flatMap((phase) => all.filter(([, image]) => image.phase === phase));
  const kept = new Map(takeWithin(toEntries(ranked), MAX_REPORTED_BYTES - twinSizeBytes(frame) - 1));
  const omitted = all.length - kept.size + registries.length - keptRegistries.length;
  const images = all.flatMap(([name]) => {
    const entry = kept.get(name);
    return entry === undefined ? [] : [[name, entry] as const];
  });
  return { ...frame, images: Object.fromEntries(images), omitted };
}

/** Made one by one: of thousands, most are left out. */
function* toEntries(images: readonly (readonly [string, ImageStatus])[]): Generator<[string, JsonObject]> {
  for (const [name, image] of images) yield [name, toImageEntry(image, 'no-sizes-and-times')];
}

/** What the images come to at least, with all detail gone. */
function toLeastBytes({ images }: Status): number {
  let sizeBytes = 0;
  for (const [name, { image, phase, digest = '' }] of images) {
    // A failed one may have any text for a reference, and characters that are not counted.
    const referenceBytes = phase === 'Failed' ? 0 : image.length;
    sizeBytes +=
      name.length + 'image'.length + referenceBytes + 'phase'.length + phase.length + digest.length;
  }
  return sizeBytes;
}

/** The longest run of entries from the front that stays within `budgetBytes`. */
function takeWithin(
  entries: Iterable<readonly [string, JsonObject]>,
  budgetBytes: number,
): (readonly [string, JsonObject])[] {
  const taken: (readonly [string, JsonObject])[] = [];
  let sizeBytes = 0;
  for (const [name, entry] of entries) {
    sizeBytes += twinSizeBytes({ [name]: entry });
    if (sizeBytes > budgetBytes) break;
    taken.push([name, entry]);
  }
  return taken;
}

/** UTC, ISO 8601, whole seconds. */
export function formatTime(atMs: number): string;
export function formatTime(atMs: number | undefined): string | undefined;
export function formatTime(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

const cut = (message: string | undefined): string | undefined =>
  message === undefined || message.length <= MAX_MESSAGE_LENGTH
    ? message
    : `${message.slice(0, MAX_MESSAGE_LENGTH - 1)}…`;

/** The object without the keys whose value is undefined. */
function defined(values: Readonly<Record<string, JsonObject[string] | undefined>>): JsonObject {
  const kept: Record<string, JsonObject[string]> = {};
  for (const key of Object.keys(values)) {
    const value = values[key];
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}
