import * as z from 'zod';

import { PullEvent } from '#contract/events-schema';
import { DesiredDocument } from '#contract/desired-schema';
import { ReportedDocument } from '#contract/reported-schema';

/**
 * The published JSON Schemas (draft 2020-12), by file name: made of the very shapes that the parsers use. What takes a
 * look at several properties (is the registry listed? do two entries want one name?) is beyond them.
 */
export function toSchemas(): ReadonlyMap<string, object> {
  return new Map([
    [
      'desired.schema.json',
      {
        title: 'connected-registry-puller: desired properties, version 1.0',
        ...z.toJSONSchema(DesiredDocument, { io: 'input' }),
        examples: [DESIRED_EXAMPLE],
      },
    ],
    [
      'reported.schema.json',
      {
        title: 'connected-registry-puller: reported properties, version 1.0',
        ...z.toJSONSchema(ReportedDocument),
      },
    ],
    [
      'events.schema.json',
      {
        title: 'connected-registry-puller: events on output pullEvents, version 1.0',
        ...z.toJSONSchema(PullEvent),
      },
    ],
  ]);
}

/** The text of a schema's file. */
export function formatSchema(schema: object): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

const DESIRED_EXAMPLE = {
  schemaVersion: '1.0',
  registryCredentials: {
    plant: { address: '127.0.0.1:8000', username: 'myconnectedregistry-client-token', password: '…' },
  },
  images: {
    hello: 'hello-world',
    camera: { image: 'acme/camera:1.4', tagAs: ['contoso.azurecr.io/acme/camera:1.4'], priority: 10 },
  },
  settings: { pullWindow: { start: '22:00', end: '05:30', timeZone: 'Europe/Oslo' } },
};
