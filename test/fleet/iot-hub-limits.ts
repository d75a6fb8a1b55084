/**
 * What IoT Hub publishes of its tiers, for one hub.
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling (throttles)
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-pricing (what counts as a message)
 * @see https://azure.microsoft.com/pricing/details/iot-hub (messages a day)
 */
export interface HubTier {
  readonly name: string;
  readonly units: number;
  /** Messages a day that a unit pays for. */
  readonly messagesADayAUnit: number;
  /** Of all device and module twins of the hub, by devices and by the back end. */
  readonly twinReadsASecond: number;
  readonly twinUpdatesASecond: number;
  /** Twins that jobs update. */
  readonly jobUpdatesASecond: number;
}

/** A message is metered in blocks of this size, on every paid tier. */
const BLOCK_BYTES = 4096;

/** Tier S1: the throttles of twins do not grow with its units. */
export const S1: HubTier = {
  name: 'S1',
  units: 1,
  messagesADayAUnit: 400_000,
  twinReadsASecond: 100,
  twinUpdatesASecond: 50,
  jobUpdatesASecond: 10,
};

/** Tier S2 with one unit; throttles begin to grow with the eleventh. */
export const S2: HubTier = { ...S1, name: 'S2', messagesADayAUnit: 6_000_000 };

/** Tier S3, whose throttles grow with each unit. */
export const toS3 = (units: number): HubTier => ({
  name: 'S3',
  units,
  messagesADayAUnit: 300_000_000,
  twinReadsASecond: 500 * units,
  twinUpdatesASecond: 250 * units,
  jobUpdatesASecond: 50 * units,
});

/** How many messages an operation with this payload is charged as; none is charged as less than one. */
export function toMessages(payloadBytes: number): number {
  return Math.max(1, Math.ceil(payloadBytes / BLOCK_BYTES));
}
