import { METRICS } from '#core/metrics';
import type { MetricName } from '#core/metrics';
import type { Series } from '#core/tally';

/** What every metric's name begins with: the module's own name, whatever a deployment calls it. */
export const PREFIX = 'connected_registry_puller_';

/**
 * The Prometheus text of all metrics that have a number.
 *
 * @param labels - put before the labels of each
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function formatExposition(
  metrics: ReadonlyMap<MetricName, readonly Series[]>,
  labels: Series['labels'],
): string {
  return [...metrics]
    .filter(([, series]) => series.length > 0)
    .map(([name, series]) => {
      const { kind, help } = METRICS[name];
      const lines = series.map(
        ({ suffix, labels: own, value }) =>
          `${PREFIX}${name}${suffix}{${formatLabels({ ...labels, ...own })}} ${value}\n`,
      );
      return `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${kind}\n${lines.join('')}`;
    })
    .join('');
}

const formatLabels = (labels: Series['labels']): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(',');

const escape = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
