import { parseImages } from '#contract/desired-images';
import { parseRegistries } from '#contract/desired-registries';
import type { DesiredContext } from '#contract/desired-registries';
import { DesiredDocument, SUPPORTED_VERSION } from '#contract/desired-schema';
import { parseSettings } from '#contract/desired-settings';
import { compareText, isObject, noteUnknown, toLine } from '#contract/findings';
import type { Findings, Json } from '#contract/findings';
import type { DesiredState } from '#core/desired-state';

/** What became of a desired document. */
export type ParsedDesired =
  | { readonly kind: 'valid'; readonly state: DesiredState }
  /** edgeHub has no copy and no connection: nothing is known, which never means "remove everything". */
  | { readonly kind: 'empty' }
  /** A fault in the whole document: the last valid one stays in force. */
  | {
      readonly kind: 'refused';
      /** 400: not the shape of a desired document; 412: a `schemaVersion` that this module does not speak. */
      readonly code: 400 | 412;
      readonly description: string;
      readonly version?: number;
    };

/**
 * Reads the desired properties entry by entry: what is wrong with an entry stays with the entry. Total: never throws,
 * whatever the document holds, and no text of the outcome holds a credential.
 *
 * Only these make the whole document wrong: it, `images` or `registryCredentials` is not an object, or `schemaVersion`
 * is of another major version.
 */
export function parseDesired(document: unknown, context: DesiredContext): ParsedDesired {
  if (!isObject(document)) return refuse(400, 'the desired properties must be an object', undefined);
  const version = toVersion(document['$version']);
  if (version === undefined && Object.keys(document).every((key) => key.startsWith('$')))
    return { kind: 'empty' };

  const schemaVersion = document['schemaVersion'] ?? '1.0';
  if (typeof schemaVersion !== 'string' || !SUPPORTED_VERSION.test(schemaVersion)) {
    return refuse(412, 'schemaVersion: must be "1.0", or another version 1', version);
  }
  const registryMap = document['registryCredentials'] ?? {};
  if (!isObject(registryMap)) {
    return refuse(400, 'registryCredentials: must be an object of registries by name', version);
  }
  const imageMap = document['images'] ?? {};
  if (!isObject(imageMap)) return refuse(400, 'images: must be an object of images by name', version);
  return { kind: 'valid', state: parseState(document, registryMap, imageMap, { ...context, version }) };
}

function parseState(
  document: Json,
  registryMap: Json,
  imageMap: Json,
  { version, ...context }: DesiredContext & { readonly version: number | undefined },
): DesiredState {
  const findings: Findings = { faults: [], unknownProperties: [] };
  noteUnknown(document, DesiredDocument.shape, [], findings);
  const registries = parseRegistries(registryMap, context, findings);
  const { images, misnamed } = parseImages(imageMap, { ...context, registries }, findings);
  const settings = parseSettings(document['settings'], findings);
  return {
    ...(version === undefined ? {} : { version }),
    registries: registries.valid,
    faultyRegistries: registries.atFault,
    images,
    misnamedImages: misnamed,
    settings,
    faults: findings.faults.toSorted((a, b) => compareText(a.path, b.path)),
    unknownProperties: findings.unknownProperties.toSorted(compareText),
  };
}

const MAX_DESCRIPTION_LENGTH = 1000;

/** Room for "; and 12345 more". */
const MORE_LENGTH = 20;

/**
 * The `description` of `lastDesiredStatus`, at most 1,000 characters: the faults by path, then the unknown properties,
 * then how many more there are. Empty where there is nothing to say.
 */
export function formatDescription({ faults, unknownProperties }: DesiredState): string {
  const lines = [
    ...faults.map(({ path, message }) => `${path}: ${message}`),
    ...unknownProperties.map((path) => `${path}: unknown property, ignored`),
  ];
  let description = '';
  for (const [index, line] of lines.entries()) {
    const longer =
      index === 0 ? toLine(line, MAX_DESCRIPTION_LENGTH - MORE_LENGTH) : `${description}; ${line}`;
    if (longer.length > MAX_DESCRIPTION_LENGTH - MORE_LENGTH)
      return `${description}; and ${lines.length - index} more`;
    description = longer;
  }
  return description;
}

function refuse(code: 400 | 412, description: string, version: number | undefined): ParsedDesired {
  return { kind: 'refused', code, description, ...(version === undefined ? {} : { version }) };
}

function toVersion(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
