import * as z from 'zod';

import { FAILURES } from '#core/reason';
import type { FailureReason, WaitingReason } from '#core/reason';

/**
 * The reported properties, exactly as version 1.0 has them: nothing may be added without another `schemaVersion`.
 * What is optional is left out where it does not apply, or where the document had to be cut to fit a twin.
 */

const WAITING_REASONS = [
  'Queued',
  'Paused',
  'OutsideWindow',
  'LowDisk',
] as const satisfies readonly WaitingReason[];
const FAILURE_REASONS = Object.keys(FAILURES) as FailureReason[];

const time = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/)
  .describe('UTC, ISO 8601, whole seconds.');
const count = z.int().min(0);
const bytes = z.int().min(0);
const digest = z.string().regex(/^sha256:[a-f0-9]{64}$/);
const message = z
  .string()
  .max(256)
  .exactOptional()
  .describe('For people; left out first where space is short.');
const transport = z
  .enum(['engine', 'relay'])
  .exactOptional()
  .describe('How the bytes reach or reached the engine.');
const failureReason = z.enum(FAILURE_REASONS);

const anyPhase = {
  image: z.string().max(512).describe('Resolved; as written where it cannot be resolved.'),
  evictions: z
    .int()
    .min(1)
    .exactOptional()
    .describe('How often it vanished from the engine and was pulled again; absent when 0.'),
};
const attempts = z.int().min(1).exactOptional().describe('Failed in a row; absent when 0.');

const ReportedImage = z.discriminatedUnion('phase', [
  z.strictObject({
    phase: z.literal('Waiting').describe('Nothing is wrong; its turn has not come.'),
    ...anyPhase,
    reason: z.enum(WAITING_REASONS),
    message,
    attempts,
  }),
  z.strictObject({
    phase: z.literal('Pulling'),
    ...anyPhase,
    percent: z.int().min(0).max(100).exactOptional().describe('Never falls within an attempt.'),
    downloadedBytes: bytes.exactOptional(),
    totalBytes: bytes.exactOptional(),
    attempts,
    transport,
  }),
  z.strictObject({
    phase: z.literal('Pulled'),
    ...anyPhase,
    digest: digest.exactOptional().describe('The manifest digest that the registry served.'),
    sizeBytes: bytes.exactOptional().describe('As the engine counts it.'),
    pulledAt: time.exactOptional(),
    transport,
  }),
  z.strictObject({
    phase: z.literal('Failed'),
    ...anyPhase,
    reason: failureReason,
    message,
    attempts,
    retryAt: time.exactOptional().describe('When the next attempt is due; absent where none is.'),
  }),
]);

const anyLogin = { address: z.string(), checkedAt: time.exactOptional() };

const ReportedRegistry = z.discriminatedUnion('login', [
  z.strictObject({
    login: z.literal('Succeeded'),
    ...anyLogin,
    credential: z.enum(['password', 'password2']).exactOptional().describe('Which one was accepted.'),
  }),
  z.strictObject({ login: z.literal('Failed'), ...anyLogin, reason: failureReason, message }),
  z.strictObject({ login: z.literal('Anonymous'), ...anyLogin }),
  z.strictObject({ login: z.literal('Unknown').describe('Not asked yet.'), ...anyLogin }),
]);

const ReportedSummary = z.strictObject({
  ready: z
    .boolean()
    .describe('Every desired image is Pulled and seen in the engine, for lastDesiredVersion.'),
  desired: count,
  pulled: count,
  pulling: count,
  waiting: count,
  failed: count,
  downloadedBytes: bytes.exactOptional().describe('While anything is being pulled.'),
  totalBytes: bytes.exactOptional().describe('While anything is being pulled.'),
  etaSeconds: count.exactOptional().describe('While anything is being pulled and its end can be told.'),
  readyAt: time.exactOptional().describe('When ready.'),
  setDigest: digest
    .exactOptional()
    .describe(
      'When ready: SHA-256 of the sorted lines name=digest; two devices with the same one hold the same images.',
    ),
});

/** The reported document of the module's twin. */
export const ReportedDocument = z.strictObject({
  schemaVersion: z.literal('1.0'),
  lastDesiredVersion: z
    .int()
    .min(0)
    .exactOptional()
    .describe('The desired $version that the rest speaks of.'),
  lastDesiredStatus: z
    .strictObject({ code: z.literal([200, 400, 412]), description: z.string().max(1000) })
    .exactOptional()
    .describe('200; 400: faults, by path; 412: another major schemaVersion.'),
  agent: z.strictObject({
    version: z.string(),
    startedAt: time,
    engine: z.string().exactOptional().describe('Version of the container engine.'),
    platform: z.string().exactOptional().describe('os/architecture[/variant] of the engine.'),
  }),
  summary: ReportedSummary,
  registries: z.record(z.string(), ReportedRegistry),
  images: z.record(z.string(), ReportedImage),
  omitted: z.int().min(1).exactOptional().describe('Entries left out, where the document had to be cut.'),
});

/** The reported document of the module's twin. */
export type ReportedDocument = z.infer<typeof ReportedDocument>;
