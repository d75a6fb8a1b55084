import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { findFreePort } from '#lab/free-port';
import { ensurePrerequisites } from '#lab/prerequisites';
import { ask } from './http.ts';
import { startScene, WAIT } from './scene.ts';

beforeAll(() => ensurePrerequisites({ promtool: 'prometheus' }));

/** What `promtool` says of what it is given; rejects where that is not well. */
const promtool = async (...words: string[]): Promise<string> =>
  (await promisify(execFile)('promtool', words)).stdout;

/** Everything that `promtool check metrics` finds at fault. */
async function checkMetrics(metrics: string): Promise<string> {
  const program = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] });
  program.stdin.end(metrics);
  return text(program.stderr);
}

/** The expression that IoT Edge's metrics collector takes samples apart by. */
const COLLECTED = /^[a-zA-Z_:][a-zA-Z0-9_:]*\{[^}]*\} (?:[\d.eE+-]+|NaN)$/;

it('/metrics tells what happened, as promtool and IoT Edge’s collector want it', async () => {
  const port = await findFreePort();
  const { push, desire, startModule, waitForPhases, edge, registry } = await startScene({
    environment: { HTTP_PORT: String(port) },
  });
  // The containerd store tells the bytes of a layer by the MiB, and ten times a second.
  await push('acme/camera:1', ['a', 'b'], 2_500_000);
  registry.faults.totalBytesPerSecond = 4_000_000;
  desire({ camera: 'acme/camera:1', none: 'acme/none:1' });
  startModule();
  await waitForPhases({ camera: 'Pulled', none: 'Failed NotFound' });
  let metrics = '';
  const read = async (series: string): Promise<number> => {
    metrics = (await ask(port, '/metrics'))?.body ?? '';
    const [name = '', labels = ''] = series.split('{');
    const wanted = labels.slice(0, -1);
    const line = metrics
      .split('\n')
      .find((each) => each.startsWith(`connected_registry_puller_${name}{`) && each.includes(wanted));
    return Number(line?.slice(line.lastIndexOf(' ') + 1));
  };
  await expect.poll(() => read('pulls_total{result="succeeded"}'), WAIT).toBe(1);
  expect(await read('images_not_pulled{phase="Failed",reason="NotFound"}')).toBe(1);
  expect(await read('downloaded_bytes_total')).toBeGreaterThan(4_500_000);
  expect(await read('logins_total{registry="plant",result="succeeded"}')).toBeGreaterThanOrEqual(1);
  await expect.poll(() => read('retries_total{action="check"}'), WAIT).toBeGreaterThan(0);

  edge.faults.reportStatus = 400;
  await registry.stop();
  desire({ camera: 'acme/camera:2', none: 'acme/none:1' });
  await expect.poll(() => read('registry_login_ok{registry="plant"}'), WAIT).toBe(0);
  await expect.poll(() => read('reports_total{result="refused"}'), WAIT).toBeGreaterThan(0);
  edge.faults.reportStatus = undefined;
  await expect.poll(() => read('engine_call_failures_total{call="login"}'), WAIT).toBeGreaterThan(0);
  await edge.stopHub();
  await expect.poll(() => read('hub_connected'), WAIT).toBe(0);
  await edge.startHub();
  await expect.poll(() => read('hub_connections_total'), WAIT).toBeGreaterThan(1);

  expect(await checkMetrics(metrics)).toBe('');
  expect(await checkMetrics(metrics.replaceAll('pulls_total', 'pulls'))).toContain(
    'should have "_total" suffix',
  );
  const samples = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(samples.length).toBeGreaterThan(40);
  for (const sample of samples) {
    expect(sample).toMatch(COLLECTED);
    expect(sample).toMatch(
      /\{iothub="[\w.-]+",edge_device="[\w-]+",instance_number="[0-9a-f-]{36}",module_name="[\w-]+"/,
    );
  }
});

it('the alert rules are well-formed, and each fires in its trouble and in no other', async () => {
  expect(await promtool('check', 'rules', 'docs/prometheus/alerts.yaml')).toMatch(/SUCCESS: \d+ rules found/);
  const rules = await readFile('docs/prometheus/alerts.yaml', 'utf8');
  const tests = await readFile('docs/prometheus/alerts.test.yaml', 'utf8');
  for (const [, alert = ''] of rules.matchAll(/- alert: (\w+)/g))
    expect(tests).toContain(`alertname: ${alert}`);
  expect(await promtool('test', 'rules', 'docs/prometheus/alerts.test.yaml')).toContain('SUCCESS');
});

it('each question of the dashboard is one that Prometheus understands', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dashboard-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const expressions: string[] = [];
  JSON.parse(await readFile('docs/grafana/dashboard.json', 'utf8'), (key, value: unknown) => {
    if (key === 'expr') expressions.push(String(value).replaceAll('$__rate_interval', '5m'));
    return value;
  });
  expect(expressions.length).toBeGreaterThan(20);
  const rules = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }));
  // YAML is a superset of JSON.
  const path = join(dir, 'panels.yaml');
  await writeFile(path, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
  expect(await promtool('check', 'rules', path)).toContain(`SUCCESS: ${expressions.length} rules found`);
});
