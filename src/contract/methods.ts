import * as z from 'zod';

import { SCHEMA_VERSION, SUPPORTED_VERSION } from '#contract/desired-schema';
import { isObject, toFaults, withoutNulls } from '#contract/findings';
import { InvalidReference, parseReference } from '#core/reference';
import type { Reference } from '#core/reference';

/** Thrown for the payload of a direct method that does not fit; the message names each path and what to write. */
export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

const VERSION_RULE = 'must be "1.0", or another version 1';
const NAMES_RULE = 'must be a list of names from properties.desired.images';

const schemaVersion = z
  .string({ error: VERSION_RULE })
  .regex(SUPPORTED_VERSION, { error: VERSION_RULE })
  .default(SCHEMA_VERSION);

/** Left out: all images that are desired. */
const images = z.array(z.string({ error: 'must be text' }), { error: NAMES_RULE }).exactOptional();

const text = (rule: string) => z.string({ error: rule }).min(1, { error: rule });

const GetStatus = z.object({
  schemaVersion,
  images,
  /** The last name of the page before; the answer goes on after it. */
  after: z.string({ error: 'must be text: the `next` of the answer before' }).exactOptional(),
});

const PullImages = z.object({
  schemaVersion,
  images,
  /** Pulls even what is present. */
  force: z.boolean({ error: 'must be true or false' }).default(false),
});

const CancelPulls = z.object({ schemaVersion, images });

const GetTaskStatus = z.object({
  schemaVersion,
  correlationId: text('must be the correlationId that PullImages answered'),
});

const REMOVED_RULE = 'must be a list of names or references of images';

const RemoveImages = z.object({
  schemaVersion,
  images: z
    .array(text('must be a name or a reference'), { error: REMOVED_RULE })
    .min(1, { error: REMOVED_RULE })
    .max(1000, { error: 'must be at most 1,000 names or references' }),
});

const PlanImages = z.object({
  schemaVersion,
  images: z.record(z.string(), z.unknown(), {
    error: 'must be images by name, as in properties.desired.images',
  }),
});

const CheckRegistry = z.object({
  schemaVersion,
  registry: text('must be a name from properties.desired.registryCredentials').exactOptional(),
  repository: text('must be a repository such as acme/camera').exactOptional(),
  tag: text('must be a tag or a digest').exactOptional(),
});

/** The payload of `GetStatus`. @throws PayloadError */
export const parseGetStatus = (payload: unknown): z.infer<typeof GetStatus> => parse(GetStatus, payload);

/** The payload of `PullImages`. @throws PayloadError */
export const parsePullImages = (payload: unknown): z.infer<typeof PullImages> => parse(PullImages, payload);

/** The payload of `CancelPulls`. @throws PayloadError */
export const parseCancelPulls = (payload: unknown): z.infer<typeof CancelPulls> =>
  parse(CancelPulls, payload);

/** The payload of `GetTaskStatus`. @throws PayloadError */
export const parseGetTaskStatus = (payload: unknown): z.infer<typeof GetTaskStatus> =>
  parse(GetTaskStatus, payload);

/** The payload of `RemoveImages`. @throws PayloadError */
export const parseRemoveImages = (payload: unknown): z.infer<typeof RemoveImages> =>
  parse(RemoveImages, payload);

/** The `images` of a `PlanImages` payload, as in the desired properties; each entry is read for itself. @throws PayloadError */
export const parsePlanImages = (payload: unknown): Readonly<Record<string, unknown>> =>
  parse(PlanImages, payload).images;

/** What `CheckRegistry` asks about; `latest` where a repository comes without a tag. */
export interface CheckRequest {
  /** Absent: every listed registry. */
  readonly registry?: string;
  readonly target?: Omit<Reference, 'registry'>;
}

/** The payload of `CheckRegistry`. @throws PayloadError */
export function parseCheckRegistry(payload: unknown): CheckRequest {
  const { registry, repository, tag } = parse(CheckRegistry, payload);
  const named = registry === undefined ? {} : { registry };
  if (repository === undefined) {
    if (tag !== undefined) throw new PayloadError('tag: needs a repository');
    return named;
  }
  const { tag: written = 'latest', ...target } = parseTarget(repository, tag);
  return { ...named, target: target.digest === undefined ? { ...target, tag: written } : target };
}

function parseTarget(repository: string, tag: string | undefined): Omit<Reference, 'registry'> {
  const separator = tag?.includes(':') === true ? '@' : ':';
  try {
    const { registry, ...target } = parseReference(
      tag === undefined ? repository : `${repository}${separator}${tag}`,
    );
    if (registry === undefined) return target;
  } catch (error) {
    if (!(error instanceof InvalidReference)) throw error;
    throw new PayloadError(`repository: ${error.message}`);
  }
  throw new PayloadError('repository: must be without its registry, which is named by registry');
}

/** Nothing, null and empty text mean all defaults; a null property is an absent one; unknown properties are ignored. */
function parse<T>(schema: z.ZodType<T>, payload: unknown): T {
  const written = payload === undefined || payload === null || payload === '' ? {} : payload;
  if (!isObject(written)) throw new PayloadError('the payload must be an object');
  const { data, error } = schema.safeParse(withoutNulls(written));
  if (error === undefined) return data;
  throw new PayloadError(
    toFaults(error, [])
      .map(({ path, message }) => `${path}: ${message}`)
      .join('; '),
  );
}
