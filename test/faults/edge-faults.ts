import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults } from '#lab/edge';
import { NO_FAULTS } from '#lab/edge';
import { desiredPatchFaults } from './desired-patch-faults.ts';
import type { Fault } from './fault.ts';
import { methodFaults } from './method-faults.ts';
import { quickTime } from './quick-time.ts';
import type { Stage } from './stage.ts';

const group = 'edgeHub and workload API';

/** Long enough for an operator to call it minutes. */
const MINUTES_MS = 120_000;

/** How often the module said that it is not connected. */
export const countFailures = ({ process }: Stage): number =>
  process().output.split('not connected to edgeHub').length - 1;

/** Waits until the module has tried twice in vain. */
async function waitForAttempts(stage: Stage, atLeastMs = 0): Promise<string> {
  const before = countFailures(stage);
  await sleep(atLeastMs);
  const hasTriedTwice = (): boolean => countFailures(stage) >= before + 2;
  await stage.until('two attempts in vain', hasTriedTwice, stage.isLong ? 600_000 : 30_000);
  return `${countFailures(stage) - before} attempts in vain`;
}

/** The same, and in the long form for minutes. */
const waitForMinutes = (stage: Stage): Promise<string> =>
  waitForAttempts(stage, stage.isLong ? MINUTES_MS : 0);

/** A fault that is nothing but switches of the edge's. */
export function edgeSwitch(
  name: string,
  switches: Partial<Faults>,
  more: Partial<Fault> & { readonly isCut?: boolean } = {},
): Fault {
  const { isCut = false, ...rest } = more;
  return {
    group,
    name,
    inject({ edge }) {
      Object.assign(edge.faults, switches);
      if (isCut) edge.cutConnections();
    },
    whileItLasts: (stage) => waitForAttempts(stage),
    heal: ({ edge }) => void Object.assign(edge.faults, NO_FAULTS),
    ...rest,
  };
}

const isAtStart = true;

const absences: readonly Fault[] = [
  {
    group,
    name: 'edgeHub is absent at the start',
    isAtStart,
    inject: ({ edge }) => edge.stopHub(),
    whileItLasts: waitForMinutes,
    heal: ({ edge }) => edge.startHub(),
  },
  {
    group,
    name: 'edgeHub is away, and back with its sessions',
    inject: ({ edge }) => edge.stopHub(),
    whileItLasts: waitForMinutes,
    heal: ({ edge }) => edge.startHub({ sessions: 'kept' }),
  },
  {
    group,
    name: 'edgeHub is created anew, its sessions lost',
    inject: ({ edge }) => edge.stopHub(),
    whileItLasts: (stage) => waitForAttempts(stage),
    heal: ({ edge }) => edge.startHub({ sessions: 'lost' }),
  },
  {
    group,
    name: 'the workload API is absent at the start',
    isAtStart,
    inject: ({ edge }) => edge.stopWorkload(),
    whileItLasts: waitForMinutes,
    heal: ({ edge }) => edge.startWorkload(),
  },
  edgeSwitch('the workload API refuses to sign at the start (403)', { signStatus: 403 }, { isAtStart }),
  edgeSwitch(
    'edgeHub refuses the connection as unauthorized (CONNACK 5)',
    { refuseConnack: 5 },
    { isCut: true },
  ),
  edgeSwitch('edgeHub refuses the connection as not ready (CONNACK 3)', { refuseConnack: 3 }, { isAtStart }),
];

const silences: readonly Fault[] = [
  edgeSwitch(
    'edgeHub accepts and never answers, at the start',
    { blackHole: true },
    {
      isAtStart,
      async whileItLasts(stage) {
        if (stage.isLong) return waitForMinutes(stage);
        await sleep(4000);
        return 'the module waits';
      },
      recoveryMs: 120_000,
    },
  ),
  edgeSwitch(
    'nothing moves on the connection, shorter than the module notices',
    { blackHole: true },
    {
      async whileItLasts() {
        await sleep(5000);
        return 'the module goes on';
      },
      recoveryMs: 120_000,
    },
  ),
];

const unanswered: readonly Fault[] = [
  edgeSwitch('twin requests are not answered', { dropTwinReplies: true }, { recoveryMs: 120_000 }),
  edgeSwitch(
    'the workload API does not answer a signature, at the start',
    { signHangs: true },
    { isAtStart: true, recoveryMs: 120_000 },
  ),
  edgeSwitch(
    'the workload API does not answer the trust bundle, at the start',
    { trustBundleHangs: true },
    { isAtStart: true, recoveryMs: 120_000 },
  ),
];

/** The SDK renews its token every 45 minutes: the module's time runs fast in the long form too. */
const RENEWAL_FACTOR = 40;
const RENEWAL_DEADLINE_MS = 150_000;
const TOKEN_LIFETIME_MS = 3_600_000;

const renewal = (
  name: string,
  inject: Fault['inject'],
  heal: Fault['heal'],
  untilExpired: (stage: Stage) => Promise<void> = async () => undefined,
): Fault => ({
  group,
  name,
  lab: quickTime(RENEWAL_FACTOR, 'both'),
  isSlow: true,
  inject,
  async whileItLasts(stage) {
    const before = countFailures(stage);
    await untilExpired(stage);
    const hasFailed = (): boolean => countFailures(stage) >= before + 2;
    await stage.until('two attempts in vain', hasFailed, RENEWAL_DEADLINE_MS);
    return 'the token was not renewed; two attempts in vain';
  },
  heal,
  recoveryMs: 120_000,
});

/** Of a renewal that is under way for ever nobody hears, until edgeHub drops a client whose token has expired. */
async function dropExpired({ edge }: Stage): Promise<void> {
  await sleep(TOKEN_LIFETIME_MS / RENEWAL_FACTOR);
  edge.cutConnections();
}

const healSwitches: Fault['heal'] = ({ edge }) => void Object.assign(edge.faults, NO_FAULTS);

const renewals: readonly Fault[] = [
  renewal(
    'the token cannot be renewed: the workload API is away',
    ({ edge }) => edge.stopWorkload(),
    ({ edge }) => edge.startWorkload(),
  ),
  renewal(
    'the token cannot be renewed: the workload API refuses (403)',
    ({ edge }) => void (edge.faults.signStatus = 403),
    healSwitches,
  ),
  renewal(
    'the token cannot be renewed: the workload API does not answer',
    ({ edge }) => void (edge.faults.signHangs = true),
    healSwitches,
    dropExpired,
  ),
];

const cuts: readonly Fault[] = [
  {
    group,
    name: 'TCP is cut while a twin is fetched, again and again',
    inject: ({ edge }) => void (edge.faults.twinGetDelayMs = 1500),
    async whileItLasts({ edge, until }) {
      for (let cut = 0; cut < 3; cut += 1) {
        const gets = edge.twinGets;
        await until('a fetch', () => edge.twinGets > gets);
        edge.cutConnections();
      }
      return '3 cuts';
    },
    heal: ({ edge }) => void (edge.faults.twinGetDelayMs = 0),
  },
  {
    group,
    name: 'TCP is cut while a report waits for its answer, again and again',
    inject: async (stage) => void (await stage.wantSlowly({ layerBytes: 2_000_000 })),
    async whileItLasts({ edge, until }) {
      for (let cut = 0; cut < 3; cut += 1) {
        await until('a connection', () => edge.connected);
        const reports = edge.reports.length;
        await until('a report', () => edge.reports.length > reports);
        // Its answer stays away, or came; either way the next one does not get any.
        edge.faults.dropTwinReplies = true;
        await until('a report without answer', () => edge.reports.length > reports + 1);
        edge.cutConnections();
        edge.faults.dropTwinReplies = false;
      }
      return '3 cuts';
    },
    heal({ edge, registry }) {
      edge.faults.dropTwinReplies = false;
      registry.faults.bytesPerSecond = undefined;
    },
  },
];

/** Waits until reports were refused; what the cloud shows is what was true before, and nothing else. */
async function waitForRefusals({ edge, until }: Stage): Promise<string> {
  const { connections } = edge;
  const refused = (): number => edge.reports.filter(({ status }) => status >= 400).length;
  const before = refused();
  await until('two refused reports', () => refused() >= before + 2);
  return `${refused() - before} reports refused, by ${edge.connections - connections} new connections`;
}

const refusals: readonly Fault[] = [
  ...[400, 429, 500].map((status) =>
    edgeSwitch(
      `reports are refused with ${status} and no body`,
      { reportStatus: status },
      { whileItLasts: waitForRefusals },
    ),
  ),
  edgeSwitch(
    'reports are refused with 429 and an error body',
    { reportStatus: 429, reportErrorBody: { errorCode: 429_001, message: 'throttled' } },
    { whileItLasts: waitForRefusals },
  ),
  ...[404, 500].map((status) =>
    edgeSwitch(`the twin is answered with ${status} and no body`, { twinGetStatus: status }),
  ),
  edgeSwitch('the twin is answered with a web page', { twinGetBody: '<html><body>proxy</body></html>' }),
];

const trust: readonly Fault[] = [toAuthorityFault()];

function toAuthorityFault(): Fault {
  let trustIt: (() => void) | undefined;
  return {
    group,
    name: 'edgeHub’s certificate is renewed under a new CA',
    async inject({ edge }) {
      trustIt = await edge.renewAuthority();
    },
    whileItLasts: (stage) => waitForAttempts(stage),
    heal: () => trustIt?.(),
  };
}

/** What can happen to a module's connection to its device. */
export const edgeFaults: readonly Fault[] = [
  ...absences,
  ...silences,
  ...unanswered,
  ...renewals,
  ...cuts,
  ...refusals,
  ...desiredPatchFaults,
  ...trust,
  ...methodFaults,
];
