import * as z from 'zod';

import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { PullWindow } from '#core/pull-window';

/** Seven days: the longest time that a setting may name, far below what a timer can hold (24 days). */
export const MAX_SECONDS = 604_800;

const MAX_MEGABYTES = 100_000_000;
const MAX_BYTES_PER_SECOND = 1_000_000_000_000;

const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const TIME_RULE = 'must be a time of day from 00:00 to 23:59, for instance 22:00';
const timeOfDay = z.string({ error: TIME_RULE }).regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: TIME_RULE });

const ZONE_RULE = 'must be an IANA time zone, for instance Europe/Oslo';

/** The pull window as it is written; it comes out in minutes after midnight. */
export const PullWindowSchema = z
  .object(
    {
      start: timeOfDay.meta({ description: 'Local time from which pulls may start.', examples: ['22:00'] }),
      end: timeOfDay.meta({
        description: 'Local time from which no pull starts; the same as start: always open.',
        examples: ['05:30'],
      }),
      timeZone: z
        .string({ error: ZONE_RULE })
        .refine(isTimeZone, { error: ZONE_RULE })
        .default('UTC')
        .meta({ description: 'IANA name.', examples: ['Europe/Oslo'] }),
      outsideBytesPerSecond: whole(0, MAX_BYTES_PER_SECOND)
        .default(0)
        .meta({ description: 'Relay only: more than 0 goes on outside the window, that slowly.' }),
    },
    { error: 'must be an object with start and end' },
  )
  .transform(({ start, end, timeZone, outsideBytesPerSecond }): PullWindow => ({
    startMinute: toMinute(start),
    endMinute: toMinute(end),
    timeZone,
    outsideBytesPerSecond,
  }));

/** All settings, each with its range and its default. Times are in seconds, at most seven days. */
export const SettingsSchema = z.object({
  maxConcurrentPulls: whole(1, 16)
    .default(DEFAULT_SETTINGS.maxConcurrentPulls)
    .meta({ description: 'Pulls that run at the same time.' }),
  pullTimeoutSeconds: whole(1, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.pullTimeoutSeconds)
    .meta({ description: 'For one attempt.' }),
  stallTimeoutSeconds: whole(1, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.stallTimeoutSeconds)
    .meta({ description: 'An attempt without a sign of progress for this long is ended and retried.' }),
  retryInitialSeconds: whole(1, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.retryInitialSeconds)
    .meta({ description: 'Delay before the first retry; doubles with jitter. At most retryMaxSeconds.' }),
  retryMaxSeconds: whole(1, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.retryMaxSeconds)
    .meta({ description: 'Longest delay between two attempts.' }),
  refreshIntervalSeconds: whole(0, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.refreshIntervalSeconds)
    .meta({ description: 'How often a tag is compared with the registry; 0 = never.' }),
  reportIntervalSeconds: whole(1, MAX_SECONDS)
    .default(DEFAULT_SETTINGS.reportIntervalSeconds)
    .meta({ description: 'Least time between two reports of mere progress.' }),
  pullWindow: PullWindowSchema.exactOptional().meta({
    description: 'Pulls start only inside it. Default: none, any time.',
  }),
  paused: z
    .boolean({ error: 'must be true or false' })
    .default(DEFAULT_SETTINGS.paused)
    .meta({ description: 'true: running pulls are cancelled and none starts.' }),
  unlisted: z
    .enum(['keep', 'remove'], { error: 'must be keep or remove' })
    .default(DEFAULT_SETTINGS.unlisted)
    .meta({ description: 'What becomes of images that this module pulled and that are no longer listed.' }),
  minFreeDiskMB: whole(0, MAX_MEGABYTES)
    .default(DEFAULT_SETTINGS.minFreeDiskMB)
    .meta({ description: 'No pull starts that would leave the engine’s disk with less free.' }),
  transport: z
    .enum(['engine', 'relay', 'auto'], { error: 'must be engine, relay or auto' })
    .default(DEFAULT_SETTINGS.transport)
    .meta({ description: 'How bytes reach the engine.' }),
  maxBytesPerSecond: whole(0, MAX_BYTES_PER_SECOND)
    .default(DEFAULT_SETTINGS.maxBytesPerSecond)
    .meta({ description: 'Over all downloads through the relay; 0 = no limit.' }),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .exactOptional()
    .meta({ description: 'Default: what the environment says, else info.' }),
});

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function toMinute(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}
