import { expect, it } from 'vitest';
import { METRICS } from '#core/metrics';
import type { MetricName } from '#core/metrics';
import type { Overview } from '#core/overview';
import { AgentError } from '#core/reason';
import type { RegistryStatus } from '#core/status';
import { createTally } from '#core/tally';
import type { Series } from '#core/tally';
import { ADDRESS, startStage } from '#test/unit/agent/stage';
import type { Stage } from '#test/unit/agent/stage';
import { formatExposition, PREFIX } from '#web/exposition';
import { formatMetrics } from '#web/metrics';
import { makeOverview } from './overview.ts';

const IDENTITY = {
  iothub: 'hub.azure-devices.net',
  device: 'edge "one"\\',
  module: 'puller',
  instance: 'a-guid',
  nodeVersion: 'v24.0.0',
};

/** Numbers by name and own labels, for instance `pulls_total{result="failed"}`. */
function read({ agent }: Stage): Record<string, number> {
  const text = formatMetrics(agent.toOverview(), agent.tally, IDENTITY);
  const common =
    'iothub="hub.azure-devices.net",edge_device="edge \\"one\\"\\\\",instance_number="a-guid",module_name="puller"';
  return Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        expect(line).toContain(common);
        const at = line.lastIndexOf(' ');
        const name = line.slice(PREFIX.length, at).replace(common, '').replace('{,', '{').replace('{}', '');
        return [name, Number(line.slice(at + 1))];
      }),
  );
}

it('before anything happened, what can be told is there and everything else is absent', () => {
  const numbers = read(startStage());
  expect(numbers).toMatchObject({
    ready: 0,
    healthy: 1,
    'images{phase="Failed"}': 0,
    'pulls_total{result="succeeded"}': 0,
    'retries_total{action="login"}': 0,
    evictions_total: 0,
    'pull_duration_seconds_bucket{le="+Inf"}': 0,
    pull_duration_seconds_count: 0,
    'reports_total{result="refused"}': 0,
    oldest_unmet_image_age_seconds: 0,
    hub_connected: 0,
    engine_available: 0,
  });
  expect(Object.keys(numbers).filter((name) => /desired_|login_ok|free_bytes|call/.test(name))).toEqual([]);
});

it('counts pulls by result and reason, their time and bytes, retries, logins and reports', async () => {
  const stage = startStage();
  const { engine, desire, clock } = stage;
  engine.serve(`${ADDRESS}/camera:1`);
  engine.serve(`${ADDRESS}/broken:1`);
  await desire({ camera: 'camera:1', broken: 'broken:1', none: 'none:1' }, { minFreeDiskMB: 0 });
  // The first one that is asked for goes alone until the registry has answered.
  engine.pulls[0]?.layer('b', { kind: 'waiting' });
  await clock.advance(1000);
  const [broken, camera] = engine.pulls;
  camera?.layer('a', { kind: 'downloading', currentBytes: 300, totalBytes: 1000 });
  expect(read(stage)['downloaded_bytes_total']).toBe(300);
  await clock.advance(60_000);
  camera?.layer('a', { kind: 'pulled' });
  camera?.finish();
  broken?.fail(new AgentError('Corrupt', 'a blob is damaged'));
  await clock.settle();
  const numbers = read(stage);
  expect(numbers).toMatchObject({
    'pulls_total{result="succeeded"}': 1,
    'pull_failures_total{reason="Corrupt"}': 1,
    pull_duration_seconds_count: 1,
    'pull_duration_seconds_bucket{le="30"}': 0,
    'pull_duration_seconds_bucket{le="120"}': 1,
    'pull_duration_seconds_bucket{le="+Inf"}': 1,
    downloaded_bytes_total: 1000,
    'logins_total{registry="plant",result="succeeded"}': 1,
    'registry_login_ok{registry="plant"}': 1,
    'images{phase="Pulled"}': 1,
    'images{phase="Failed"}': 2,
    'images_not_pulled{phase="Failed",reason="Corrupt"}': 1,
    'images_not_pulled{phase="Failed",reason="NotFound"}': 1,
    desired_version: 1,
    desired_accepted: 1,
    hub_connected: 1,
    hub_connections_total: 1,
    engine_available: 1,
    engine_disk_free_bytes: engine.freeBytes,
    ready: 0,
  });
  expect(numbers['pull_duration_seconds_sum']).toBeGreaterThanOrEqual(60);
  expect(numbers['oldest_unmet_image_age_seconds']).toBeGreaterThanOrEqual(60);
  expect(numbers['reports_total{result="accepted"}']).toBe(stage.hub.patches.length);
  expect(numbers['report_bytes_total']).toBe(
    stage.hub.patches.reduce((sum, patch) => sum + Buffer.byteLength(JSON.stringify(patch)), 0),
  );
  await clock.advance(20_000);
  expect(read(stage)).toMatchObject({ 'retries_total{action="pull"}': 1 });
  expect(read(stage)['retries_total{action="check"}']).toBeGreaterThan(1);
});

it('counts what was missed: evictions, reconnects, reports without an answer, failed calls and logins', async () => {
  const stage = startStage();
  const { engine, desire, clock, hub } = stage;
  engine.serve(`${ADDRESS}/camera:1`);
  engine.pullsFinishAtOnce = true;
  await desire({ camera: 'camera:1' }, { minFreeDiskMB: 0 });
  expect(read(stage)['ready']).toBe(1);
  engine.evict(`${ADDRESS}/camera:1`);
  hub.disconnect();
  await clock.advance(60_000);
  expect(read(stage)).toMatchObject({ hub_connected: 0, evictions_total: 1 });
  hub.refuses = true;
  hub.connect();
  engine.passwords.set(ADDRESS, { device: 'another' });
  await desire({ camera: 'camera:2' });
  engine.isAway = true;
  engine.endEvents();
  await clock.advance(60_000);
  const numbers = read(stage);
  expect(numbers).toMatchObject({ engine_available: 0, hub_connections_total: 2 });
  expect(numbers['reports_total{result="unanswered"}']).toBeGreaterThan(0);
  expect(numbers['logins_total{registry="plant",result="failed"}']).toBeGreaterThan(0);
  expect(numbers['engine_call_failures_total{call="info"}']).toBeGreaterThan(0);
  expect(numbers['engine_call_duration_seconds_count{call="list_images"}']).toBeGreaterThan(0);
});

it('tells a report that edgeHub refused from one that it did not answer', async () => {
  const stage = startStage();
  const refusal = Object.assign(new Error('refused with 400'), { name: 'ReportRefused' });
  Object.assign(stage.hub, { report: () => Promise.reject(refusal) });
  await stage.desire({});
  const numbers = read(stage);
  expect(numbers['reports_total{result="refused"}']).toBeGreaterThan(0);
  expect(numbers['reports_total{result="unanswered"}']).toBe(0);
});

it('counts an image that is left out for its name as one that failed, and as missing', async () => {
  const stage = startStage();
  await stage.desire({ 'acme/gate': 'acme/gate:1', lost: 'acme/lost:1', wrong: 'Acme' });
  await stage.clock.advance(5000);
  expect(read(stage)).toMatchObject({
    ready: 0,
    'images{phase="Failed"}': 3,
    'images_not_pulled{phase="Failed",reason="NotFound"}': 1,
    'images_not_pulled{phase="Failed",reason="InvalidImage"}': 2,
    desired_accepted: 0,
  });
  await stage.desire({ 'acme/gate': 'acme/gate:1' });
  await stage.clock.advance(60_000);
  expect(read(stage)).toMatchObject({
    'images_not_pulled{phase="Failed",reason="InvalidImage"}': 1,
    oldest_unmet_image_age_seconds: 67,
  });
  await stage.desire({});
  expect(read(stage)).toMatchObject({ ready: 1, oldest_unmet_image_age_seconds: 0 });
});

it('a cancelled pull is no failure, a stalled one is', async () => {
  const stage = startStage();
  const { engine, desire, clock, call } = stage;
  engine.serve(`${ADDRESS}/camera:1`);
  await desire({ camera: 'camera:1' }, { minFreeDiskMB: 0 });
  await call('CancelPulls');
  await clock.advance(1000);
  expect(read(stage)).toMatchObject({
    'pulls_total{result="cancelled"}': 1,
    'pulls_total{result="failed"}': 0,
  });
  await call('PullImages');
  await clock.settle();
  await clock.advance(700_000);
  expect(read(stage)).toMatchObject({
    'pulls_total{result="cancelled"}': 1,
    'pull_failures_total{reason="Stalled"}': 1,
  });
});

it('no metric has a name that says its kind twice, and every counter ends in _total', () => {
  for (const [name, { kind }] of Object.entries(METRICS)) {
    expect([name, name.endsWith('_total')]).toEqual([name, kind === 'counter']);
  }
});

it('tells of a module whose loop hangs, until it comes round again', async () => {
  const stage = startStage();
  const { engine, clock } = stage;
  await stage.desire({});
  expect(read(stage)['healthy']).toBe(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const { listImages } = engine;
  Object.assign(engine, {
    listImages: (...asked: Parameters<typeof listImages>) => promise.then(() => listImages(...asked)),
  });
  await clock.advance(3_600_000);
  expect(read(stage)['healthy']).toBe(0);
  resolve();
  await clock.settle();
  expect(read(stage)['healthy']).toBe(1);
});

it('a value that is infinite is never written, for IoT Edge’s collector drops it', () => {
  const tally = createTally();
  tally.observe('pull_duration_seconds', {}, 1e9);
  const names = Object.keys(METRICS) as MetricName[];
  const text = formatExposition(new Map(names.map((name) => [name, tally.list(name)])), {});
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    expect(line).toMatch(/^[a-z_]+\{.*\} [\d.eE+-]+$/);
  }
  expect(text).toContain('_bucket{le="+Inf"} 1\n');
});

it('a login that nobody needs or that succeeded is well, one that failed is not, and one that is not known is absent', () => {
  const address = '127.0.0.1:8000';
  const registries: Record<string, RegistryStatus> = {
    anyone: { address, login: 'Anonymous' },
    known: { address, login: 'Succeeded', credential: 'password' },
    refused: { address, login: 'Failed', reason: 'Unauthorized' },
    unheard: { address, login: 'Unknown' },
  };
  const text = formatMetrics(makeOverview({ registries }), createTally(), IDENTITY);
  const logins = [...text.matchAll(/registry_login_ok\{.*,registry="(\w+)"\} (\S+)/g)];
  expect(logins.map(([, registry, value]) => [registry, value])).toEqual([
    ['anyone', '1'],
    ['known', '1'],
    ['refused', '0'],
  ]);
});

it('desired properties with faults are not accepted, and of none nothing is told', () => {
  const accepted = (status: Partial<Overview['status']>): string | undefined => {
    const overview = makeOverview({ status });
    return /desired_accepted\{.*\} (\S+)/.exec(formatMetrics(overview, createTally(), IDENTITY))?.[1];
  };
  expect(accepted({ lastDesiredStatus: { code: 200, description: '3 images' } })).toBe('1');
  expect(accepted({ lastDesiredStatus: { code: 400, description: 'images.a: wrong' } })).toBe('0');
  const { lastDesiredStatus: _none, ...status } = makeOverview().status;
  expect(formatMetrics({ ...makeOverview(), status }, createTally(), IDENTITY)).not.toContain(
    'desired_accepted',
  );
});

it('a label of any text stays on its line, and is read as that text', () => {
  const names = ['two\nlines', 'a \\n that is none', '"', '\\', '\n"\\', '} 1\nready{} 0'];
  const series = names.map((registry) => ({ suffix: '', labels: { registry }, value: 1 })) as Series[];
  const text = formatExposition(new Map([['registry_login_ok', series]]), { edge_device: 'two\nlines' });
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const unescape = (_all: string, char: string): string => (char === 'n' ? '\n' : char);
  const read = lines.map((line) => {
    const [, device = '', registry = ''] =
      /^[a-z_]+\{edge_device="((?:[^"\\]|\\.)*)",registry="((?:[^"\\]|\\.)*)"\} 1$/.exec(line) ?? [];
    return [device, registry].map((each) => each.replaceAll(/\\(.)/g, unescape));
  });
  expect(read).toEqual(names.map((name) => ['two\nlines', name]));
});
