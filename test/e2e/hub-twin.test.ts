import { describe, expect, onTestFinished, test } from 'vitest';
import type { Hub } from '#agent/ports';
import { createReporter } from '#agent/reporter';
import type { Reporter } from '#agent/reporter';
import { systemClock } from '#adapters/system-clock';
import type { JsonObject } from '#core/merge-patch';
import { createTally } from '#core/tally';
import { startHubStage, toQuickClock, until } from '#test/e2e/hub-stage';
import type { HubStage } from '#test/e2e/hub-stage';
import { WAIT } from '#test/e2e/sdk-client';

const DESIRED_PATCHES = '$iothub/twin/PATCH/properties/desired/?$version=';

/** A stage whose hub has fetched `desired`, and would be told of a patch. */
async function startWith(
  desired: object,
  options: Parameters<typeof startHubStage>[0] = {},
): Promise<HubStage> {
  const stage = await startHubStage(options);
  stage.edge.setDesired({ ...desired, first: true });
  await until(() => stage.hub.twin?.desired['first'] === true);
  await stage.untilIdle();
  return stage;
}

/** A reporter before this hub, until the test ends. */
function startReporter(hub: Hub, toDocument: () => JsonObject): Reporter {
  const noLog = (): void => undefined;
  const reporter = createReporter({
    hub,
    clock: systemClock,
    log: { debug: noLog, info: noLog, warn: noLog, error: noLog },
    tally: createTally(),
    toDocument,
    toIntervalMs: () => 1000,
  });
  const ending = new AbortController();
  const reporting = reporter.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await reporting;
  });
  reporter.ring();
  return reporter;
}

describe('what is desired', () => {
  test('is the cloud’s document, where the SDK would merge arrays and keep what was replaced', async () => {
    const { hub, edge } = await startWith({ list: [1, 2, 3], gone: { a: 1 }, kept: { a: 1, b: 2 } });
    edge.patchDesired({ list: [9], gone: null, kept: { a: null }, first: false });
    await expect.poll(() => hub.twin?.desired['first'], WAIT).toBe(false);
    expect(hub.twin?.desired).toEqual(edge.desired());
    edge.setDesired({ list: [], second: true });
    await expect.poll(() => hub.twin?.desired['second'], WAIT).toBe(true);
    expect(hub.twin?.desired).toEqual(edge.desired());
  });

  test('is fetched after a burst of patches, with few fetches and the last one counting', async () => {
    const { hub, edge } = await startWith({}, { clock: systemClock });
    const before = edge.twinGets;
    for (let count = 1; count <= 50; count += 1) edge.patchDesired({ count });
    await expect.poll(() => hub.twin?.desired['count'], WAIT).toBe(50);
    expect(edge.twinGets - before).toBeLessThanOrEqual(3);
  });

  test('is fetched twice at a connection, before and after it is subscribed to, and once after a patch', async () => {
    const { edge, untilIdle } = await startHubStage({ clock: systemClock });
    await untilIdle();
    expect(edge.twinGets).toBe(2);
    edge.setDesired({ list: [1, 2] });
    await until(() => edge.twinGets > 2);
    await untilIdle();
    expect(edge.twinGets).toBe(3);
  });

  test('is fetched once more a minute after the first connection, and after no other', async () => {
    const { edge } = await startHubStage();
    await until(() => edge.twinGets === 3);
    edge.cutConnections();
    await until(() => edge.twinGets === 5);
    // Two of these minutes.
    await systemClock.sleep(2400, new AbortController().signal);
    expect(edge.twinGets).toBe(5);
  });

  test('holds nothing of a patch that comes while it is fetched', async () => {
    const { hub, edge } = await startWith({ list: [1] });
    const lists: unknown[] = [];
    hub.onChange(() => lists.push(hub.twin?.desired['list']));
    edge.faults.twinGetDelayMs = 200;
    const before = edge.twinGets;
    edge.patchDesired({ any: true });
    await until(() => edge.twinGets > before);
    edge.publish(`${DESIRED_PATCHES}9`, '{"list":[7,8,9]}');
    await expect.poll(() => edge.twinGets - before, WAIT).toBe(2);
    await expect.poll(() => lists.length, WAIT).toBe(2);
    expect(lists).toEqual([[1], [1]]);
  });

  test('is fetched after a reconnection where the patch was lost', async () => {
    const { hub, edge } = await startWith({});
    edge.faults.dropDesiredPatches = true;
    edge.patchDesired({ lost: true });
    edge.cutConnections();
    await expect.poll(() => hub.twin?.desired['lost'], WAIT).toBe(true);
  });

  test('is fetched now and then where the patch was lost and the connection was not', async () => {
    const { hub, edge } = await startWith({}, { clock: toQuickClock(10_000) });
    edge.faults.dropDesiredPatches = true;
    edge.patchDesired({ lost: true });
    await expect.poll(() => hub.twin?.desired['lost'], WAIT).toBe(true);
    expect(hub.twin?.connection).toBe(1);
  });

  test('is asked for again soon where edgeHub knows nothing yet', async () => {
    const stage = await startHubStage({ isRun: false });
    const { hub, edge } = stage;
    edge.setDesired({ known: true });
    edge.faults.emptyTwin = true;
    void stage.run();
    await expect.poll(() => hub.twin?.desired, WAIT).toEqual({});
    edge.faults.emptyTwin = false;
    await expect.poll(() => hub.twin?.desired['known'], WAIT).toBe(true);
    expect(hub.twin?.connection).toBe(1);
  });

  test.each([
    ['an older version', { $version: 1 }],
    ['a version that is no number', { $version: 'three' }],
    ['no version', {}],
  ])('is handed on as edgeHub has it with %s: the agent judges versions', async (_, version) => {
    const { hub, edge } = await startWith({});
    const desired = { ...version, odd: true };
    edge.faults.twinGetBody = JSON.stringify({ desired, reported: {} });
    edge.patchDesired({ any: true });
    await expect.poll(() => hub.twin?.desired['odd'], WAIT).toBe(true);
    expect(hub.twin?.desired).toEqual(desired);
  });

  test.each(['null', '5', '"text"', '[]', '[null]', '{}', '{"$version":"x"}', '{"a":{"$version":1}}'])(
    'is fetched whatever the patch holds: %s',
    async (body) => {
      const { hub, edge } = await startWith({});
      edge.faults.dropDesiredPatches = true;
      edge.patchDesired({ unseen: true });
      edge.publish(`${DESIRED_PATCHES}9`, body);
      await expect.poll(() => hub.twin?.desired['unseen'], WAIT).toBe(true);
      expect(hub.twin?.connection).toBe(1);
    },
  );
});

describe('a twin that is none', () => {
  test.each([
    '',
    'null',
    '[]',
    '"text"',
    '{}',
    '{"desired":{}}',
    '{"desired":null,"reported":{}}',
    '{"desired":{},"reported":null}',
    '{"desired":[],"reported":{}}',
    '{"desired":"text","reported":{}}',
    '{"errorCode":500001,"message":"no"}',
  ])('leaves the last one in force until there is one again: %s', async (body) => {
    const { hub, edge, lines } = await startWith({});
    const { desired } = hub.twin ?? {};
    edge.faults.twinGetBody = body;
    edge.patchDesired({ next: true });
    await until(() => lines.some((line) => line.startsWith('warn')));
    expect(hub.twin?.desired).toBe(desired);
    edge.faults.twinGetBody = undefined;
    await expect.poll(() => hub.twin?.desired['next'], WAIT).toBe(true);
    expect(hub.isConnected).toBe(true);
  });
});

describe('a report', () => {
  test.each([400, 429, 500])(
    'that edgeHub refuses with %i rejects, and the connection stays',
    async (status) => {
      const { hub, edge } = await startWith({});
      edge.faults.reportStatus = status;
      await expect(hub.report({ refused: true })).rejects.toThrow(`refused with ${status}`);
      edge.faults.reportStatus = undefined;
      await hub.report({ after: true });
      expect(edge.reported()).toMatchObject({ after: true });
      expect(edge.reported()).not.toHaveProperty('refused');
      expect(hub.twin?.connection).toBe(1);
    },
  );

  test('that was refused is sent again by the reporter', async () => {
    const { hub, edge } = await startWith({});
    edge.faults.reportStatus = 400;
    startReporter(hub, () => ({ phase: 'Pulled' }));
    await expect.poll(() => edge.reports.length, WAIT).toBe(1);
    edge.faults.reportStatus = undefined;
    await expect.poll(() => edge.reported()['phase'], WAIT).toBe('Pulled');
    expect(edge.reports.map(({ status }) => status)).toEqual([400, 204]);
  });

  test('that edgeHub has not passed on when the connection is made anew leaves nothing behind', async () => {
    const { hub, edge } = await startWith({});
    let document: JsonObject = { phase: 'Pulling', reason: null };
    const reporter = startReporter(hub, () => document);
    await expect.poll(() => edge.reported()['phase'], WAIT).toBe('Pulling');
    edge.faults.syncDelayMs = 600_000;
    await hub.report({ begins: 'the delay' });
    document = { phase: 'Failed', reason: 'NotFound' };
    reporter.ring();
    await expect.poll(() => edge.reports.at(-1)?.patch, WAIT).toEqual(document);
    document = { phase: 'Pulling', reason: null };
    edge.cutConnections();
    await expect.poll(() => edge.reports.at(-1)?.patch, WAIT).toMatchObject(document);
    edge.faults.syncDelayMs = 0;
    expect(edge.reported()).toMatchObject({ phase: 'Pulling' });
    expect(edge.reported()).not.toHaveProperty('reason');
  });

  test('that IoT Hub answers with an error rejects in its words', async () => {
    const { hub, edge } = await startWith({});
    edge.faults.reportErrorBody = { errorCode: 400_004, message: 'depth exceeded' };
    await expect(hub.report({ a: 1 })).rejects.toThrow('depth exceeded');
  });

  test('without an answer rejects in time, and the next one works', async () => {
    const { hub, edge } = await startWith({}, { limits: { reportMs: 500 } });
    edge.faults.dropTwinReplies = true;
    await expect(hub.report({ a: 1 })).rejects.toThrow('no answer within 0.5 s');
    edge.faults.dropTwinReplies = false;
    await expect.poll(() => hub.twin?.connection, WAIT).toBe(2);
    await hub.report({ b: 1 });
    expect(edge.reported()).toMatchObject({ a: 1, b: 1 });
  });

  test('rejects at once when the connection is cut', async () => {
    const { hub, edge } = await startWith({});
    edge.faults.dropTwinReplies = true;
    const report = hub.report({ a: 1 });
    await until(() => edge.reports.length === 1);
    edge.cutConnections();
    // Its own limit is a minute, the test's two.
    const beganAtMs = performance.now();
    await expect(report).rejects.toThrow('closed the connection');
    expect(performance.now() - beganAtMs).toBeLessThan(5000);
  });

  test('that cannot be JSON rejects', async () => {
    const { hub } = await startWith({});
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    await expect(hub.report(circle)).rejects.toThrow('circular');
  });
});
