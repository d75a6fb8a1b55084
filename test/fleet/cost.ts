import { REFETCH_MS } from '#adapters/iothub';
import { jitterMs } from '#core/backoff';
import { toJsonBytes } from '#core/json-size';
import { passOn } from './edge-hub.ts';
import { S1, S2, toMessages, toS3 } from './iot-hub-limits.ts';
import type { HubTier } from './iot-hub-limits.ts';
import { ROLLOUT } from './rollout.ts';
import type { MeasuredRollout, SentPatch } from './rollout.ts';

/** What one device costs. */
export interface DeviceCost {
  /** Reported properties that reach IoT Hub, and the messages they are charged as. */
  readonly updates: number;
  readonly updateMessages: number;
  readonly reads: number;
  readonly readMessages: number;
  readonly durationSeconds: number;
}

/** The module fetches its twin after a change; see `adapters/iothub`. */
const READS_A_CHANGE = 1;

const DAY_SECONDS = 86_400;

/** What the back end does for each device: the new desired properties, and word of them; a tag; the switch. */
const BACK_END_MESSAGES = 4;

/** On `pullEvents`, routed to IoT Hub: one for each image, and one that all are there. */
const EVENT_MESSAGES = ROLLOUT.layersOfImages.length + 1;

export function toRolloutCost({ sent, durationMs, twinBytes }: MeasuredRollout): DeviceCost {
  const passed = passOn(sent);
  return {
    updates: passed.length,
    updateMessages: sumMessages(passed),
    reads: READS_A_CHANGE,
    readMessages: READS_A_CHANGE * toMessages(twinBytes),
    durationSeconds: durationMs / 1000,
  };
}

/** @param sent - what the module reports in a day */
export function toIdleCost(sent: readonly SentPatch[], twinBytes: number): DeviceCost {
  const reads = (DAY_SECONDS * 1000) / REFETCH_MS;
  return {
    updates: sent.length,
    updateMessages: sumMessages(passOn(sent)),
    reads,
    readMessages: reads * toMessages(twinBytes),
    durationSeconds: DAY_SECONDS,
  };
}

const sumMessages = (patches: readonly SentPatch[]): number =>
  patches.reduce((sum, { patch }) => sum + toMessages(toJsonBytes(patch)), 0);

/** All messages of one rollout, for one device. */
export const toRolloutMessages = (cost: DeviceCost): number =>
  cost.updateMessages + cost.readMessages + BACK_END_MESSAGES + EVENT_MESSAGES;

export const toIdleMessages = (cost: DeviceCost): number => cost.updateMessages + cost.readMessages;

/** How many devices can be in the middle of their rollout without more updates than the tier takes. */
export const toMostAtOnce = (cost: DeviceCost, tier: HubTier): number =>
  Math.floor((tier.twinUpdatesASecond * cost.durationSeconds) / cost.updates);

/** The least time in which a fleet's updates of a rollout go through, in seconds. */
export const toLeastSeconds = (cost: DeviceCost, tier: HubTier, devices: number): number =>
  Math.max(cost.durationSeconds, (devices * cost.updates) / tier.twinUpdatesASecond);

/** Over how long the timers are spread that were set in the same moment. */
const toSpreadSeconds = (delayMs: number): number => (jitterMs(delayMs, 1) - jitterMs(delayMs, 0)) / 1000;

const FLEETS = [100, 10_000, 100_000];

export interface FleetCosts {
  readonly idle: DeviceCost;
  /** With the module's own settings. */
  readonly usual: DeviceCost;
  /** With `reportIntervalSeconds` at 60. */
  readonly quiet: DeviceCost;
}

/** The table of docs/fleet.md. */
export function formatCostTable({ idle, usual, quiet }: FleetCosts): string {
  const tier10 = toS3(10);
  const rows: readonly (readonly [string, (devices: number) => string])[] = [
    ['messages of a rollout', (devices) => formatCount(devices * toRolloutMessages(usual))],
    ['… with `reportIntervalSeconds` 60', (devices) => formatCount(devices * toRolloutMessages(quiet))],
    ['messages of a day without one', (devices) => formatCount(devices * toIdleMessages(idle))],
    [
      'units that a day with one needs for its messages: S1, S2 or S3',
      (devices) => {
        const messages = devices * (toRolloutMessages(usual) + toIdleMessages(idle));
        return [S1, S2, tier10].map((tier) => Math.ceil(messages / tier.messagesADayAUnit)).join(', ');
      },
    ],
    ['twin reads a second without a rollout', (devices) => formatRate((devices * idle.reads) / DAY_SECONDS)],
    ['twin updates a second without one', (devices) => formatRate((devices * idle.updates) / DAY_SECONDS)],
    [
      'twin updates a second, if all get their desired properties in the same moment',
      (devices) => formatRate((devices * usual.updates) / usual.durationSeconds),
    ],
    [
      'twin reads a second half an hour after that, when all fetch their twins together',
      (devices) => formatRate(devices / toSpreadSeconds(REFETCH_MS)),
    ],
    ['least time for all, S1 or S2', (devices) => formatTime(toLeastSeconds(usual, S2, devices))],
    ['… with `reportIntervalSeconds` 60', (devices) => formatTime(toLeastSeconds(quiet, S2, devices))],
    ['least time for all, ten units of S3', (devices) => formatTime(toLeastSeconds(usual, tier10, devices))],
    ['time to tag all, by jobs, S1', (devices) => formatTime(devices / S1.jobUpdatesASecond)],
  ];
  const header = ['', ...FLEETS.map((devices) => `${formatCount(devices)} devices`)];
  const lines = [
    header,
    header.map(() => '---'),
    ...rows.map(([name, toCell]) => [name, ...FLEETS.map(toCell)]),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The sentence of docs/fleet.md that says what was counted. */
export function formatCounted({ idle, usual, quiet }: FleetCosts): string {
  return [
    `${usual.updates} reports of a module reach IoT Hub in the ${usual.durationSeconds} s of its rollout,`,
    `${quiet.updates} with \`reportIntervalSeconds\` 60; each is charged as one message. A day without a rollout is`,
    `${idle.updates} reports and ${idle.reads} reads. So at most ${formatCount(toMostAtOnce(usual, S1))} devices`,
    `(${formatCount(toMostAtOnce(quiet, S1))} with \`reportIntervalSeconds\` 60) may be in the middle of their rollout at once on S1 and S2, and`,
    `${formatCount(toMostAtOnce(usual, toS3(1)))} (${formatCount(toMostAtOnce(quiet, toS3(1)))}) for each unit of S3.`,
  ].join(' ');
}

const formatCount = (count: number): string => count.toLocaleString('en-US');

const formatRate = (rate: number): string => (rate < 10 ? rate.toFixed(1) : formatCount(Math.round(rate)));

function formatTime(seconds: number): string {
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
