import * as z from 'zod';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';

const digest = z.string().regex(/^sha256:[a-f0-9]{64}$/);
const reason = z.enum(Object.keys(FAILURES) as FailureReason[]);
const message = z.string().max(256).describe('For people.');
const bytes = z.int().min(0);
const durationMs = z.int().min(0);

const anyEvent = {
  schemaVersion: z.literal('1.0'),
  time: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/)
    .describe('When it happened, which may be long before it is sent. UTC, ISO 8601, whole seconds.'),
  desiredVersion: z.int().exactOptional().describe('The desired $version that was in force.'),
};

const ofImage = {
  ...anyEvent,
  name: z.string().describe('Its name in the desired images.'),
  image: z.string().max(512).describe('Resolved; as written where it cannot be resolved.'),
};

const ofRegistry = {
  ...anyEvent,
  name: z.string().describe('Its name in registryCredentials.'),
  address: z.string(),
};

/** What stands on output `pullEvents`: one of these in each message. The property `event` of the message says which. */
export const PullEvent = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('ImagePulled'),
    ...ofImage,
    digest,
    durationMs: durationMs.describe('Of the attempt that brought it.'),
    bytes: bytes.describe('Downloaded by it.'),
  }),
  z.strictObject({ event: z.literal('ImagePullFailed'), ...ofImage, reason, message }),
  z.strictObject({ event: z.literal('ImageEvicted'), ...ofImage, digest: digest.exactOptional() }),
  z.strictObject({ event: z.literal('RegistryLoginFailed'), ...ofRegistry, reason, message }),
  z.strictObject({
    event: z.literal('RegistryLoginRestored'),
    ...ofRegistry,
    durationMs: durationMs.describe('Since the first failure.'),
  }),
  z.strictObject({
    event: z.literal('Ready'),
    ...anyEvent,
    digest: digest.describe('summary.setDigest'),
    durationMs: durationMs.describe('Since these desired properties came.'),
    bytes: bytes.describe('Downloaded since then.'),
  }),
]);
