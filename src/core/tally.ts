import { METRICS } from '#core/metrics';
import type { LabelsOf, MetricName, NameOf } from '#core/metrics';

/** One number of a metric. */
export interface Series {
  /** After the metric's name: that of a bucket, a sum or a count. */
  readonly suffix: '' | '_bucket' | '_sum' | '_count';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What was counted since the start. */
export interface Tally {
  count<N extends NameOf<'counter'>>(name: N, labels: LabelsOf<N>, by?: number): void;
  observe<N extends NameOf<'histogram' | 'summary'>>(name: N, labels: LabelsOf<N>, seconds: number): void;
  /** Those of one metric, in the order in which they came to be. */
  list(name: MetricName): readonly Series[];
}

/** From a small image that is almost there to a large one over a satellite, in seconds. */
const BUCKETS = [1, 5, 30, 120, 600, 3600, 14_400];

/** Makes a tally; what can be told beforehand is there, at 0: a counter that is born at 1 shows no increase. */
export function createTally(): Tally {
  const metrics = new Map<MetricName, Map<string, Series>>();

  function add(name: MetricName, suffix: Series['suffix'], labels: Series['labels'], by: number): void {
    let series = metrics.get(name);
    if (series === undefined) metrics.set(name, (series = new Map<string, Series>()));
    const key = [suffix, ...Object.values(labels)].join('\n');
    series.set(key, { suffix, labels, value: (series.get(key)?.value ?? 0) + by });
  }

  function observe(name: MetricName, labels: Series['labels'], seconds: number, times = 1): void {
    if (METRICS[name].kind === 'histogram') {
      for (const le of BUCKETS)
        add(name, '_bucket', { ...labels, le: String(le) }, seconds <= le ? times : 0);
      add(name, '_bucket', { ...labels, le: '+Inf' }, times);
    }
    add(name, '_sum', labels, seconds * times);
    add(name, '_count', labels, times);
  }

  for (const [name, { kind, labels }] of Object.entries(METRICS) as [
    MetricName,
    (typeof METRICS)[MetricName],
  ][]) {
    const [label, ...others] = Object.entries<readonly string[]>(labels);
    if (kind === 'histogram' && label === undefined) observe(name, {}, 0, 0);
    if (kind !== 'counter' || others.length > 0) continue;
    if (label === undefined) add(name, '', {}, 0);
    else for (const value of label[1]) add(name, '', { [label[0]]: value }, 0);
  }

  return {
    count: (name, labels, by = 1) => add(name, '', labels, by),
    observe: (name, labels, seconds) => observe(name, labels, seconds),
    list: (name) => [...(metrics.get(name)?.values() ?? [])],
  };
}
