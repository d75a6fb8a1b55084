import device from 'azure-iot-device';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Edge } from '#lab/edge';
import { startHubStage, until } from '#test/e2e/hub-stage';
import type { HubStage } from '#test/e2e/hub-stage';
import { WAIT } from '#test/e2e/sdk-client';

/** Short enough for a test, long enough for a busy machine to answer in. */
const limits = { workloadMs: 1500, openMs: 1500, twinMs: 1500, reportMs: 1500, keepaliveSeconds: 1 };

let changes = 0;

/** A change in the cloud reaches the hub, and a report reaches the cloud. */
async function expectToWork({ hub, edge }: HubStage): Promise<void> {
  changes += 1;
  const mark = `mark ${changes}`;
  await expect.poll(() => hub.isConnected, WAIT).toBe(true);
  edge.setDesired({ mark });
  await expect.poll(() => hub.twin?.desired['mark'], WAIT).toBe(mark);
  await hub.report({ mark });
  expect(edge.reported()).toMatchObject({ mark });
}

/** How often the hub found itself not connected; each further time is told to those alone who want to know all. */
const countAttempts = ({ lines }: HubStage): number =>
  lines.filter((line) => line.includes('not connected to edgeHub')).length;

test('edgeHub is trusted by the device’s bundle, and told the product', async () => {
  const stage = await startHubStage();
  await expectToWork(stage);
  const login = stage.lines.find((line) => line.includes('lets in'));
  expect(login).toContain('azure-iot-device/');
  expect(login).toContain('connected-registry-puller/1.2.3');
});

describe('before the first connection, the hub waits for', () => {
  const troubles: [string, (edge: Edge) => unknown, (edge: Edge) => unknown][] = [
    ['an edgeHub that does not listen yet', (edge) => edge.stopHub(), (edge) => edge.startHub()],
    ['a workload API that is not there yet', (edge) => edge.stopWorkload(), (edge) => edge.startWorkload()],
    ...(
      [
        ['an edgeHub that does not know the module yet', 'refuseConnack', 5],
        ['an edgeHub that is not ready', 'refuseConnack', 3],
        ['an edgeHub that accepts and says nothing', 'blackHole', true],
        ['a workload API that refuses to sign', 'signStatus', 403],
        ['a workload API that never signs', 'signHangs', true],
        ['a workload API without an answer', 'trustBundleHangs', true],
        ['an edgeHub that fails to give the twin', 'twinGetStatus', 500],
        ['an edgeHub that never gives the twin', 'dropTwinReplies', true],
      ] as const
    ).map(([name, fault, value]): [string, (edge: Edge) => unknown, (edge: Edge) => unknown] => [
      name,
      ({ faults }) => Object.assign(faults, { [fault]: value }),
      ({ faults }) => Object.assign(faults, { [fault]: typeof value === 'number' ? undefined : false }),
    ]),
  ];

  test.each(troubles)('%s', async (_, cause, heal) => {
    const stage = await startHubStage({ limits, isRun: false });
    await cause(stage.edge);
    void stage.run();
    await expect.poll(() => countAttempts(stage), WAIT).toBeGreaterThanOrEqual(2);
    expect(stage.hub.isConnected).toBe(false);
    expect(stage.hub.twin).toBeUndefined();
    await heal(stage.edge);
    await expectToWork(stage);
  });
});

test.each([
  ['asks it for the trust bundle', { trustBundleHangs: true }],
  ['has it sign', { signHangs: true }],
])('no socket stays of a workload API that never answers, where the hub %s', async (_, faults) => {
  const stage = await startHubStage({ limits: { workloadMs: 50, openMs: 50 }, isRun: false });
  Object.assign(stage.edge.faults, faults);
  const countPipes = (): number =>
    process.getActiveResourcesInfo().filter((resource) => resource === 'PipeWrap').length;
  const before = countPipes();
  void stage.run();
  await expect.poll(() => countAttempts(stage), WAIT).toBeGreaterThanOrEqual(4);
  await stage.stop();
  await expect.poll(countPipes, WAIT).toBe(before);
});

describe('a connection is replaced by a new client', () => {
  const losses: [string, (edge: Edge) => unknown, (edge: Edge) => unknown][] = [
    ['when it is cut', (edge) => edge.cutConnections(), () => undefined],
    ['when edgeHub restarts', (edge) => edge.stopHub(), (edge) => edge.startHub({ sessions: 'kept' })],
    ['when edgeHub is created anew', (edge) => edge.stopHub(), (edge) => edge.startHub({ sessions: 'lost' })],
    [
      'when nothing moves any more',
      ({ faults }) => Object.assign(faults, { blackHole: true }),
      ({ faults }) => Object.assign(faults, { blackHole: false }),
    ],
    [
      'when twin answers stay away',
      ({ faults, patchDesired }) => {
        faults.dropTwinReplies = true;
        patchDesired({ unseen: true });
      },
      ({ faults }) => Object.assign(faults, { dropTwinReplies: false }),
    ],
    [
      'when the twin comes with an error',
      ({ faults, patchDesired }) => {
        faults.twinGetStatus = 500;
        patchDesired({ unseen: true });
      },
      ({ faults }) => Object.assign(faults, { twinGetStatus: undefined }),
    ],
  ];

  test.each(losses)('%s', async (_, cause, heal) => {
    const stage = await startHubStage({ limits });
    await expectToWork(stage);
    await stage.untilIdle();
    await cause(stage.edge);
    await expect.poll(() => stage.lines.some((line) => line.startsWith('warn')), WAIT).toBe(true);
    await heal(stage.edge);
    await expect.poll(() => stage.hub.twin?.connection, WAIT).toBeGreaterThan(1);
    await expectToWork(stage);
  });

  test('when it is asked for, and the old one is closed', async () => {
    const stage = await startHubStage();
    stage.hub.rebuild();
    await expect.poll(() => stage.hub.twin?.connection, WAIT).toBe(2);
    await expectToWork(stage);
    expect(stage.edge.connections).toBe(2);
  });
});

describe('the token', () => {
  test('is renewed in time, by the same client', async () => {
    renewEverySecond();
    const stage = await startHubStage();
    await expect.poll(() => stage.edge.connections, WAIT).toBeGreaterThanOrEqual(3);
    expect(stage.hub.twin?.connection).toBe(1);
    await expectToWork(stage);
  });

  test.each([
    ['refused', { signStatus: 500 }, { signStatus: undefined }],
    ['not possible: the workload API is gone', 'stop', 'start'],
  ] as const)('whose renewal is %s leads to a new client, and ends nothing', async (_, cause, cure) => {
    renewEverySecond();
    const stage = await startHubStage({ limits });
    const { edge, hub } = stage;
    if (cause === 'stop') await edge.stopWorkload();
    else Object.assign(edge.faults, cause);
    await expect.poll(() => hub.isConnected, WAIT).toBe(false);
    if (cure === 'start') await edge.startWorkload();
    else Object.assign(edge.faults, cure);
    await expectToWork(stage);
    expect(hub.twin?.connection).toBeGreaterThan(1);
  });
});

describe('the end', () => {
  test('closes the connection', async () => {
    const { hub, edge, stop } = await startHubStage();
    await stop();
    expect(hub.isConnected).toBe(false);
    await expect.poll(() => edge.connected, WAIT).toBe(false);
  });

  test.each([
    ['nothing moves', { blackHole: true }],
    ['twin answers stay away', { dropTwinReplies: true }],
  ])('comes within 3 s although %s', async (_, faults) => {
    const { edge, stop } = await startHubStage();
    Object.assign(edge.faults, faults);
    edge.patchDesired({ unseen: true });
    const beganAtMs = performance.now();
    await stop();
    // One second more for a busy machine.
    expect(performance.now() - beganAtMs).toBeLessThan(4000);
  });

  test('comes at once while there is no connection', async () => {
    const stage = await startHubStage({ isRun: false });
    await stage.edge.stopHub();
    void stage.run();
    await until(() => stage.lines.some((line) => line.startsWith('warn')));
    await expect(stage.stop()).resolves.toBeUndefined();
  });
});

/** Has the SDK renew the tokens of this test each second, by its own setting, instead of every 45 minutes. */
function renewEverySecond(): void {
  const { prototype } = device.IotEdgeAuthenticationProvider;
  const { getTrustBundle } = prototype;
  onTestFinished(() => void Object.assign(prototype, { getTrustBundle }));
  prototype.getTrustBundle = function getTrustBundleAndHurry(callback) {
    this.setTokenRenewalValues(601, 600);
    getTrustBundle.call(this, callback);
  };
}

test('an outage is a line where it begins and one where it ends, however long it lasts', async () => {
  const stage = await startHubStage({ limits });
  await stage.edge.stopHub();
  await expect.poll(() => countAttempts(stage), WAIT).toBeGreaterThanOrEqual(20);
  const told = stage.lines.filter((line) => line.startsWith('warn'));
  // The connection that closes and the port that refuses are two causes.
  expect(told.length).toBeLessThanOrEqual(2);
  await stage.edge.startHub();
  await expect.poll(() => stage.hub.isConnected, WAIT).toBe(true);
  expect(stage.lines.findLast((line) => line.startsWith('info connected'))).toMatch(/"awaySeconds":\d+/);
});
