import { describe, expect, test } from 'vitest';
import { applyPatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import type { Account, IotHub } from '#test/az/account';
import { makeBench, toChanges, toLines } from '#test/az/bench';
import type { Twin } from '#test/az/hub-query';
import type { FakeHub } from '#test/fakes/fake-hub';
import { makeFleet } from '#test/fleet/devices';
import { ADDRESS, startStage } from '../agent/stage.ts';

const HUB = ['--hub', 'contoso-hub'];
const WANTS = ['--wants', 'camera=acme/camera:1.5'];
const TAG = ['--tag', 'staged=2026-12'];
const READY = ['ready-1', "ready-2'"];

async function makeAccount(hub: Partial<IotHub> = {}): Promise<Account> {
  const fleet = { jobs: [], deployments: {}, ...(await makeFleet()), ...hub };
  return { registries: {}, hubs: { 'contoso-hub': fleet }, passwords: [], failures: [] };
}

const tagsOf = (account: Account): Record<string, unknown> =>
  Object.fromEntries(
    (account.hubs['contoso-hub']?.devices ?? []).map(({ deviceId, tags }) => [deviceId, tags]),
  );

const toTwin = (deviceId: string, { desired, reported }: FakeHub): Twin => ({
  deviceId,
  moduleId: 'puller',
  properties: structuredClone({ desired, reported }),
});

/** A hub with many devices that are ready, and nothing else. */
async function makeLargeHub(count: number): Promise<Partial<IotHub>> {
  const { modules } = await makeFleet();
  const [ready] = modules;
  const ids = Array.from({ length: count }, (_, index) => `plant-device-${String(index).padStart(5, '0')}`);
  return {
    devices: ids.map((deviceId) => ({ deviceId })),
    modules: ids.map((deviceId) => ({ ...ready, deviceId })),
  };
}

describe('fleet.sh status', () => {
  test('counts who is ready, how far the others are, and why', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['status', ...HUB, ...WANTS]);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout.split('\n').map((line) => line.trim())).toEqual([
      '7 devices, 2 of them ready',
      '5 have taken up their newest desired properties',
      '7 of 12 images are there',
      '2 Pulling',
      '2 Failed Unauthorized',
      '1 Failed NotFound',
      '',
    ]);
    expect(toChanges(run)).toEqual([]);
  });

  test('knows a wanted image in the short form too', async () => {
    const { modules } = await makeFleet();
    const inShort = modules.map((twin) =>
      twin['deviceId'] === 'ready-1' && twin['moduleId'] === 'puller'
        ? applyPatch(twin as JsonObject, {
            properties: { desired: { images: { camera: 'acme/camera:1.5' } } },
          })
        : twin,
    );
    const bench = await makeBench(await makeAccount({ modules: inShort }));
    const run = await bench.run('fleet.sh', ['status', ...HUB, ...WANTS]);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain('7 devices, 2 of them ready\n');
    const others = await bench.run('fleet.sh', ['status', ...HUB, '--wants', 'camera=acme/camera:1.4']);
    expect(others.stdout).toContain('1 devices, 1 of them ready\n');
  });

  test('without --wants speaks of every device with the module', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['status', ...HUB]);
    expect(run.stdout).toContain('8 devices, 3 of them ready\n');
  });

  test('with --where speaks of the modules for which that holds', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['status', ...HUB, '--where', "deviceId = 'refused'"]);
    expect(run.stdout).toMatch(/^1 devices, 0 of them ready\n[^]* 2 Failed Unauthorized\n$/);
  });

  test('of a module that nobody has is all noughts', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['status', ...HUB, '--module', 'nobody']);
    expect([run.code, run.stdout]).toEqual([
      0,
      '0 devices, 0 of them ready\n0 have taken up their newest desired properties\n0 of 0 images are there\n',
    ]);
  });
});

test('fleet.sh missing has a line for each device that is not ready, with its reasons', async () => {
  const bench = await makeBench(await makeAccount());
  const run = await bench.run('fleet.sh', ['missing', ...HUB, ...WANTS]);
  expect([run.code, run.stderr]).toEqual([0, '']);
  const lines = Object.fromEntries(
    run.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(' ')), line]),
  );
  expect(Object.keys(lines)).toEqual(['pulling', 'not-synced', 'refused', 'behind', 'silent']);
  expect(lines).toMatchObject({
    pulling: 'pulling  0/2  127.0.0.1:8000/acme/camera:1.5 Pulling, 127.0.0.1:8000/hello-world:1 Pulling',
    'not-synced': 'not-synced  1/2  127.0.0.1:8000/acme/camera:1.5 Failed NotFound',
    behind: 'behind  2/2  has not taken up what is desired now',
    silent: 'silent  0/0  has reported nothing; has not taken up what is desired now',
  });
  expect(lines['refused']).toMatch(/Failed Unauthorized, .* Failed Unauthorized$/);
});

test('fleet.sh missing says what a device refused, and not that it has reported nothing', async () => {
  const { hub, clock } = startStage();
  hub.setDesired({ schemaVersion: '2.0', images: { camera: { image: 'acme/camera:1.5' } } });
  await clock.advance(5000);
  const bench = await makeBench(await makeAccount({ modules: [toTwin('refusing', hub)] }));
  const run = await bench.run('fleet.sh', ['missing', ...HUB, ...WANTS]);
  expect([run.code, run.stderr]).toEqual([0, '']);
  expect(run.stdout).toBe(
    'refusing  0/0  has not taken up what is desired now; schemaVersion: must be "1.0", or another version 1\n',
  );
});

test('a device that wants an image under a name that is none is not ready, and fleet.sh says why', async () => {
  const { hub, desire, engine, clock } = startStage();
  engine.serve(`${ADDRESS}/acme/camera:1.5`);
  engine.pullsFinishAtOnce = true;
  await desire({ camera: 'acme/camera:1.5', 'acme/gate': 'acme/gate:1' });
  await clock.advance(5000);
  const bench = await makeBench(await makeAccount({ modules: [toTwin('misnaming', hub)] }));
  const status = await bench.run('fleet.sh', ['status', ...HUB, ...WANTS]);
  expect([status.code, status.stderr]).toEqual([0, '']);
  expect(status.stdout).toBe(
    '1 devices, 0 of them ready\n1 have taken up their newest desired properties\n1 of 2 images are there\n' +
      '1 are not ready and have a fault in their desired properties: fleet.sh missing says which\n',
  );
  const missing = await bench.run('fleet.sh', ['missing', ...HUB, ...WANTS]);
  expect(missing.stdout).toMatch(/^misnaming {2}1\/2 {2}images\."acme\/gate": the name of an entry must be/);
  const tag = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
  expect([tag.code, toChanges(tag)]).toEqual([0, []]);
});

describe('fleet.sh tag', () => {
  test('without --apply says which devices it would tag, and tags none', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG]);
    expect([run.code, run.stderr, toChanges(run)]).toEqual([0, '', []]);
    expect(run.stdout).toContain('2 devices are ready, 0 have staged=2026-12, 2 get it now');
    expect(run.stdout).toMatch(/ {2}would run: az iot hub job create --job-id tag-2026-12-\d+-1 .*ready-1/);
  });

  test('tags just the devices that are ready for what is wanted now, whatever is in their ids', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    const tagged = Object.entries(tagsOf(bench.account)).filter(
      ([, tags]) => (tags as Record<string, unknown>)['staged'] === '2026-12',
    );
    expect(tagged).toEqual(READY.map((id) => [id, { site: 'oslo', staged: '2026-12' }]));
  });

  test('a second time tags nobody', async () => {
    const bench = await makeBench(await makeAccount());
    await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect([run.code, toChanges(run)]).toEqual([0, []]);
    expect(run.stdout).toContain('2 devices are ready, 2 have staged=2026-12, 0 get it now');
  });

  test('tells of devices that have the tag and are not ready', async () => {
    const account = await makeAccount();
    const hub = account.hubs['contoso-hub'];
    if (hub !== undefined)
      hub.devices = hub.devices.map((twin) =>
        twin['deviceId'] === 'refused' ? { ...twin, tags: { staged: '2026-12' } } : twin,
      );
    const run = await (await makeBench(account)).run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG]);
    expect(run.stdout).toContain('of those with the tag, 1 are not ready (any more)');
  });

  test('does not tag for wishes that nobody named', async () => {
    const run = await (await makeBench(await makeAccount())).run('fleet.sh', ['tag', ...HUB, ...TAG]);
    expect([run.code, run.calls]).toEqual([2, []]);
    expect(run.stderr).toContain('which images do the devices have to be ready for?');
  });

  test('takes a thousand devices by jobs whose conditions IoT Hub takes, one after the other', async () => {
    const bench = await makeBench(await makeAccount(await makeLargeHub(1000)));
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    const jobs = bench.account.hubs['contoso-hub']?.jobs ?? [];
    expect(jobs.length).toBeGreaterThan(2);
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
    expect(Math.max(...jobs.map(({ condition }) => condition.length))).toBeLessThan(8192);
    expect(new Set(jobs.flatMap(({ tagged }) => tagged)).size).toBe(1000);
    for (const line of toChanges(run)) expect(line).toContain('--wait');
  });

  test('--max tags so many and no more', async () => {
    const bench = await makeBench(await makeAccount(await makeLargeHub(30)));
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--max', '10', '--apply']);
    expect(run.stdout).toContain('30 devices are ready, 0 have staged=2026-12, 10 get it now');
    expect(bench.account.hubs['contoso-hub']?.jobs.flatMap(({ tagged }) => tagged)).toHaveLength(10);
  });

  test('a job that fails ends it, and the next call goes on', async () => {
    const account = await makeAccount(await makeLargeHub(400));
    account.failures.push({
      call: 'iot hub job create',
      code: 1,
      stderr: 'ERROR: ThrottlingException 429\n',
    });
    const bench = await makeBench(account);
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect([run.code, run.stderr.includes('ThrottlingException 429')]).toEqual([1, true]);
    const again = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect(again.stdout).toContain('400 get it now');
    expect(again.code).toBe(0);
  });
});

describe('a job of fleet.sh tag', () => {
  test.each([
    [{ status: 'completed', failedCount: 3 }, 0, '3 devices of this job could not be tagged'],
    [
      { status: 'failed', failedCount: 2 },
      1,
      'the job is failed 2; az iot hub job show --hub-name contoso-hub',
    ],
  ])('that ends as %j is told', async (jobOutcome, code, words) => {
    const bench = await makeBench(await makeAccount({ jobOutcome }));
    const run = await bench.run('fleet.sh', ['tag', ...HUB, ...WANTS, ...TAG, '--apply']);
    expect(run.code).toBe(code);
    expect(run.stdout + run.stderr).toContain(words);
  });
});

describe('fleet.sh switch', () => {
  const SWITCH = ['switch', ...HUB, ...TAG, '--deployment', 'camera-1-5', '--priority', '20'];
  const content = 'examples/staging/switch.json';

  test('makes a deployment for the devices with the tag', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', [...SWITCH, '--content', content, '--apply']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(bench.account.hubs['contoso-hub']?.deployments).toEqual({
      'camera-1-5': { priority: 20, targetCondition: "tags.staged = '2026-12'" },
    });
    expect(run.stdout).not.toContain('note:');
    expect(toChanges(run)).toEqual([expect.stringContaining(' --layered ')]);
    const again = await bench.run('fleet.sh', [...SWITCH, '--content', content, '--apply']);
    expect([again.code, toChanges(again)]).toEqual([0, []]);
  });

  test('without --apply says the command', async () => {
    const bench = await makeBench(await makeAccount());
    const run = await bench.run('fleet.sh', [...SWITCH, '--content', content]);
    expect(toChanges(run)).toEqual([]);
    expect(run.stdout).toContain(
      `  would run: az iot edge deployment create --deployment-id camera-1-5 --content ${content} --target-condition 'tags.staged = '\\''2026-12'\\''' --priority 20 --layered --output none --hub-name contoso-hub`,
    );
  });

  test('warns of a manifest in which no image is taken as it is', async () => {
    const run = await (
      await makeBench(await makeAccount())
    ).run('fleet.sh', [...SWITCH, '--content', 'deployment.template.json']);
    expect(run.stdout).toContain(
      'note: no module in deployment.template.json has "imagePullPolicy": "never"',
    );
  });

  test('says what a full deployment takes away', async () => {
    const bench = await makeBench(await makeAccount());
    const full = 'examples/layered/base.json';
    const run = await bench.run('fleet.sh', [...SWITCH, '--content', full, '--apply']);
    expect(run.stdout).toContain(
      `note: ${full} is no layer: modules that it does not name are taken away, and layers of a priority below 20 no longer apply`,
    );
    expect(toChanges(run)).toEqual([expect.not.stringContaining('--layered')]);
  });

  test('leaves a deployment of that name with other devices alone', async () => {
    const deployments = { 'camera-1-5': { priority: 20, targetCondition: "tags.site = 'oslo'" } };
    const run = await (
      await makeBench(await makeAccount({ deployments }))
    ).run('fleet.sh', [...SWITCH, '--content', content, '--apply']);
    expect([run.code, toChanges(run)]).toEqual([1, []]);
    expect(run.stderr).toContain("is there with priority and target condition 20 tags.site = 'oslo'");
  });
});

test.each([
  [[], 'nothing is no command'],
  [['status'], '--hub is missing'],
  [['status', ...HUB, '--wants', 'camera'], 'NAME=IMAGE'],
  [['status', ...HUB, '--wants', "camera=x' OR '1"], 'that is no image reference'],
  [['tag', ...HUB, ...WANTS, '--tag', 'staged'], 'KEY=VALUE'],
  [['tag', ...HUB, ...WANTS, '--tag', 'staged=a b'], 'letters, digits'],
  [['tag', ...HUB, ...WANTS, '--tag', 'staged-camera=1.5'], 'IoT Hub would read'],
  [['tag', ...HUB, ...WANTS, '--tag', 'staged.camera=1.5'], 'IoT Hub would read'],
  [['tag', ...HUB, ...WANTS, '--tag', '2026=yes'], 'IoT Hub would read'],
  [
    ['switch', ...HUB, ...TAG, '--deployment', 'x', '--priority', '1', '--content', 'no.json'],
    'no such file',
  ],
])('a wrong call of fleet.sh, %j, ends with 2 before az is called', async (args, words) => {
  const run = await (await makeBench(await makeAccount())).run('fleet.sh', args);
  expect([run.code, toLines(run)]).toEqual([2, []]);
  expect(run.stderr).toContain(words);
});
