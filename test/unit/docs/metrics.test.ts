import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Dashboard } from '@grafana/schema';
import { describe, expect, it, onTestFinished } from 'vitest';
import { METRICS } from '#core/metrics';
import type { MetricName } from '#core/metrics';
import { PREFIX } from '#web/exposition';

const SUFFIXES = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['_sum', '_count'],
};

/** Every name that a series of these metrics can have. */
const SERIES = (Object.keys(METRICS) as MetricName[]).flatMap((name) =>
  SUFFIXES[METRICS[name].kind].map((suffix) => `${PREFIX}${name}${suffix}`),
);

const COMMON_LABELS = ['iothub', 'edge_device', 'instance_number', 'module_name'];
const LABELS = new Set([
  ...COMMON_LABELS,
  'le',
  ...Object.values(METRICS).flatMap(({ labels }) => Object.keys(labels)),
]);

const listSeries = (text: string): string[] => [...new Set(text.match(/connected_registry_puller_\w+/g))];
const listLabels = (text: string): string[] => [
  ...Array.from(text.matchAll(/by \(([^)]+)\)/g), ([, names = '']) => names.split(/,\s*/)).flat(),
  ...Array.from(text.matchAll(/(\w+)=~?\\?"/g), ([, name = '']) => name),
];

describe('docs/metrics.md', () => {
  it('has a row for each metric, with its kind, its labels and the values they are known to take', async () => {
    const text = await readFile('docs/metrics.md', 'utf8');
    const table = text.slice(text.indexOf('<!-- metrics'), text.indexOf('## Alerts'));
    const rows = [...table.matchAll(/^\| `(\w+)` +\| (\w+) +\|(.*?)\|(.+)\|$/gm)];
    expect(rows.map(([, name]) => name)).toEqual(Object.keys(METRICS));
    for (const [, name = '', kind, labels = '', what = ''] of rows) {
      const metric = METRICS[name as MetricName];
      expect([name, kind]).toEqual([name, metric.kind]);
      expect([name, ...Array.from(labels.matchAll(/`(\w+)`/g), ([, label]) => label)]).toEqual([
        name,
        ...Object.keys(metric.labels),
      ]);
      if (name !== 'images_not_pulled') {
        for (const value of Object.values<readonly string[]>(metric.labels).flat())
          expect(what).toContain(`\`${value}\``);
      }
      expect(what.trim().length).toBeGreaterThan(5);
    }
    for (const label of COMMON_LABELS) expect(text).toContain(`| \`${label}\``);
  });
});

describe('the alert rules', () => {
  it('use only metrics and labels that exist', async () => {
    const text = await readFile('docs/prometheus/alerts.yaml', 'utf8');
    expect(listSeries(text).filter((name) => !SERIES.includes(name))).toEqual([]);
    expect(listLabels(text).filter((label) => !LABELS.has(label))).toEqual([]);
  });
});

describe('the dashboard', () => {
  it('uses only metrics and labels that exist, and shows every metric', async () => {
    const text = await readFile('docs/grafana/dashboard.json', 'utf8');
    const used = listSeries(text);
    expect(used.filter((name) => !SERIES.includes(name))).toEqual([]);
    expect(listLabels(text).filter((label) => !LABELS.has(label))).toEqual([]);
    const shown = (name: string): boolean => used.some((series) => series.startsWith(PREFIX + name));
    expect(Object.keys(METRICS).filter((name) => !shown(name))).toEqual([]);
  });

  it('lays no panel over another, nor beyond the edge', async () => {
    const { panels = [] } = JSON.parse(await readFile('docs/grafana/dashboard.json', 'utf8')) as Dashboard;
    expect(panels.length).toBeGreaterThan(15);
    const taken = new Set<string>();
    for (const { gridPos = { x: 24, y: 0, w: 1, h: 1 } } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x},${y}`)).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  it('fits the types that Grafana publishes of its dashboards, and one with a wrong property does not', async () => {
    const text = await readFile('docs/grafana/dashboard.json', 'utf8');
    expect(await checkDashboard(text)).toBe('');
    expect(await checkDashboard(text.replace('"graphTooltip": 1', '"graphTooltip": "on"'))).toContain(
      'DashboardCursorSync',
    );
    expect(await checkDashboard(text.replace('"gridPos"', '"gridPosition"'))).toContain('gridPosition');
  });
});

/** What the compiler has to say of a dashboard; empty where it fits. Enumerations are written as their values. */
async function checkDashboard(json: string): Promise<string> {
  const dir = await mkdtemp(join(process.cwd(), 'node_modules', '.dashboard-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(
    join(dir, 'dashboard.ts'),
    `import type { Dashboard } from '@grafana/schema';
type Written<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
export const dashboard: Written<Dashboard> = ${json};`,
  );
  const flags = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--types',
    '',
  ];
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '--ignoreConfig', ...flags, join(dir, 'dashboard.ts')];
  return promisify(execFile)(process.execPath, args).then(
    () => '',
    ({ stdout = 'no compiler' }: { stdout?: string }) => stdout,
  );
}
