import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';

import type { DesiredImage, DesiredState } from '#core/desired-state';
import { formatDescription, parseDesired } from '#contract/desired';
import type { DesiredContext } from '#contract/desired-registries';
import { toSchemas } from '#contract/schemas';

/** A registry entry without fault, for tests that are about something else. */
export const PLANT = { address: '127.0.0.1:8000', username: 'token', password: 'first', password2: 'second' };

/** The state of a document that the test knows to be valid as a whole. */
export function stateOf(document: object, context: DesiredContext = {}): DesiredState {
  const parsed = parseDesired({ $version: 1, ...document }, context);
  if (parsed.kind !== 'valid') throw new Error(`the document is ${parsed.kind}`);
  return parsed.state;
}

/** `path: message` of every fault. */
export function faultsOf(document: object, context: DesiredContext = {}): readonly string[] {
  return stateOf(document, context).faults.map(({ path, message }) => `${path}: ${message}`);
}

/** Every text of a state that others may see. */
export function textOf(state: DesiredState): string {
  return JSON.stringify([
    state.faults,
    state.unknownProperties,
    [...state.images.values()],
    formatDescription(state),
  ]);
}

/** What became of one entry of `images`, the only one. */
export function imageOf(
  entry: unknown,
  registryCredentials: object = { plant: PLANT },
  parentHostName?: string,
): DesiredImage {
  const image = stateOf({ registryCredentials, images: { camera: entry } }, { parentHostName }).images.get(
    'camera',
  );
  if (image === undefined) throw new Error('the entry is gone');
  return image;
}

/** Makes a function that says where a document breaks a published schema: the paths, none where it keeps it. */
export function compileSchema(name: string): (document: unknown) => readonly string[] {
  const schema = toSchemas().get(name);
  if (schema === undefined) throw new Error(`there is no ${name}`);
  const validate = new Ajv2020({ allErrors: true }).compile(schema);
  return (document) =>
    validate(document) ? [] : (validate.errors ?? []).map(({ instancePath }) => instancePath);
}

const KEYS =
  'schemaVersion registryCredentials images settings address username password password2 ca image registry platform ' +
  'pullPolicy tagAs priority pullRequest pullWindow start end timeZone paused $version __proto__ constructor toString';

const WORDS =
  '1.0 plant 127.0.0.1:8000 $upstream $upstream:8000/a acme/camera:1.4 linux/amd64 22:00 always Europe/Oslo a@b ' +
  'user:word@host/a http://x/y:1 X : @ /';

/** JSON that is mostly like a desired document, with every kind of value in every place. */
export const hostileDocument = fc.letrec<{ value: unknown; document: Record<string, unknown> }>((tie) => {
  const key = fc.oneof(fc.constantFrom(...KEYS.split(' ')), fc.string({ unit: 'binary', maxLength: 80 }));
  const word = fc.constantFrom(...WORDS.split(' '));
  return {
    value: fc.oneof(
      { maxDepth: 5 },
      word,
      fc.jsonValue({ maxDepth: 1 }),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
    document: fc.record(
      {
        $version: fc.oneof(fc.nat(), tie('value')),
        schemaVersion: fc.oneof({ weight: 5, arbitrary: fc.constant('1.0') }, tie('value')),
        registryCredentials: fc.oneof(fc.dictionary(key, tie('value'), { maxKeys: 3 }), tie('value')),
        images: fc.oneof(fc.dictionary(key, tie('value'), { maxKeys: 5 }), tie('value')),
        settings: tie('value'),
      },
      { requiredKeys: [] },
    ),
  };
});
