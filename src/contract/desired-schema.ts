import * as z from 'zod';

import { ENTRY_NAME } from '#contract/findings';
import { SettingsSchema } from '#contract/settings-schema';

/**
 * The shapes of the desired properties, entry by entry. What one property can say of itself is checked here; what
 * takes a look at another one is checked by the parsers beside this file. The published JSON Schema is made of these.
 */

const text = (message: string) => z.string({ error: message }).min(1, { error: message });

/** The major version of the contract that this module speaks. */
export const SCHEMA_VERSION = '1.0';

/** Whether a document or payload of this `schemaVersion` is understood: any minor version of major version 1. */
export const SUPPORTED_VERSION = /^1(\.\d+)*$/;

const ADDRESS_RULE =
  'must be host[:port] as the engine on the host reaches it, without scheme, path and user name, for instance 127.0.0.1:8000';

/** One entry of `registryCredentials`, in the shape of `$edgeAgent`'s own. */
export const RegistryEntry = z
  .object(
    {
      address: text(ADDRESS_RULE)
        .regex(/^[^/\s@]+$/, { error: ADDRESS_RULE })
        .meta({
          description:
            'host[:port] as the engine on the host reaches it; no scheme, no path. $upstream stands for the parent device.',
          examples: ['127.0.0.1:8000', '$upstream:8000', 'contoso.azurecr.io'],
        }),
      username: text('must be text; leave username and password out for an anonymous registry')
        .exactOptional()
        .meta({ description: 'The client token’s name. Left out for an anonymous registry.' }),
      password: text('must be text; leave username and password out for an anonymous registry')
        .exactOptional()
        .meta({ writeOnly: true, description: 'The client token’s password.' }),
      password2: z.string({ error: 'must be text' }).exactOptional().meta({
        writeOnly: true,
        description:
          'The client token’s other password: tried where the first is refused. Empty counts as left out.',
      }),
      ca: z
        .string({ error: 'must be PEM text' })
        .regex(/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/, {
          error: 'must hold a PEM certificate: -----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----',
        })
        .exactOptional()
        .meta({
          description:
            'PEM certificates that the module’s own requests to this registry trust; the engine has its certs.d.',
        }),
    },
    { error: 'must be an object with address' },
  )
  .describe('A registry and the credentials for it.');

const PRIORITY_RULE = 'must be a whole number from -100 to 100';

/** One entry of `images` in its long form. */
export const ImageEntry = z
  .object(
    {
      image: text('must be an image reference, for instance acme/camera:1.4').meta({
        description:
          'repository[:tag][@digest], or a full reference host[:port]/repository…; no tag and no digest means latest.',
        examples: ['acme/camera:1.4', '127.0.0.1:8000/acme/camera:1.4'],
      }),
      registry: text('must be the name of an entry of registryCredentials').exactOptional().meta({
        description:
          'Which entry of registryCredentials the image is in; needed only where there are several.',
      }),
      platform: z
        .string({ error: 'must be os/architecture[/variant], for instance linux/arm64/v8' })
        .regex(/^[a-z0-9]+\/[a-z0-9]+(?:\/[a-z0-9.]+)?$/, {
          error: 'must be os/architecture[/variant], for instance linux/arm64/v8',
        })
        .exactOptional()
        .meta({ description: 'Default: the engine’s own.', examples: ['linux/arm64/v8'] }),
      pullPolicy: z
        .enum(['always', 'if-not-present'], { error: 'must be always or if-not-present' })
        .default('always')
        .meta({
          description:
            'always: the tag is compared with the registry whenever desired changes, at every refresh and on PullImages. if-not-present: the registry is not asked where the engine has the reference.',
        }),
      tagAs: z
        .array(text('must be a reference with a registry and a tag'), {
          error: 'must be a list of references',
        })
        .default([])
        .meta({
          description:
            'Further local names, each with registry and tag, so that a deployment’s reference finds the image.',
          examples: [['contoso.azurecr.io/acme/camera:1.4']],
        }),
      priority: z
        .int({ error: PRIORITY_RULE })
        .min(-100, { error: PRIORITY_RULE })
        .max(100, { error: PRIORITY_RULE })
        .default(0)
        .meta({ description: 'Higher is pulled first, then by name.' }),
      pullRequest: z
        .number({ error: 'must be a number' })
        .exactOptional()
        .meta({ description: 'Any number; changing it asks for one more pull now, whatever the backoff.' }),
    },
    { error: 'must be an image reference, or an object with image' },
  )
  .describe('An image and how it is wanted.');

const entryName = z.string().regex(ENTRY_NAME);

/** The whole desired document. The parsers take it apart instead, so that one bad entry does not stop the others. */
export const DesiredDocument = z.looseObject({
  schemaVersion: z
    .string()
    .regex(SUPPORTED_VERSION)
    .default(SCHEMA_VERSION)
    .meta({ description: 'Another major version is refused with 412.' }),
  registryCredentials: z
    .record(entryName, RegistryEntry.nullable())
    .default({})
    .meta({ description: 'The registries on site, by a name of the operator’s choice.' }),
  images: z
    .record(
      entryName,
      z.union([z.string().min(1).describe('Short form of { "image": … }.'), ImageEntry, z.null()]),
    )
    .default({})
    .meta({ description: 'The images that are wanted, by a name of the operator’s choice.' }),
  settings: SettingsSchema.prefault({}).meta({ description: 'How they are pulled. All optional.' }),
});
