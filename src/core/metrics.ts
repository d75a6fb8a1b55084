/** One metric: what it is and what it is labelled with, besides the labels that all have. */
interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly help: string;
  /** The values that each label takes; empty where they are not known beforehand. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

/** The one table of metrics, by name without the prefix; docs/metrics.md says what each is good for. */
export const METRICS = {
  build_info: {
    kind: 'gauge',
    help: 'Always 1; the labels tell what runs.',
    labels: { version: [], node_version: [] },
  },
  start_time_seconds: { kind: 'gauge', help: 'When the module was started, since 1970.', labels: {} },
  healthy: {
    kind: 'gauge',
    help: '1 while the module works, 0 while its loop hangs (/healthz).',
    labels: {},
  },
  ready: { kind: 'gauge', help: '1 while every desired image is on the device (summary.ready).', labels: {} },
  images: {
    kind: 'gauge',
    help: 'Desired images, by phase.',
    labels: { phase: ['Waiting', 'Pulling', 'Pulled', 'Failed'] },
  },
  images_not_pulled: {
    kind: 'gauge',
    help: 'Desired images that wait or failed, by reason.',
    labels: { phase: ['Waiting', 'Failed'], reason: [] },
  },
  oldest_unmet_image_age_seconds: {
    kind: 'gauge',
    help: 'For how long a desired image has not been on the device; the longest of all, 0 when none is missing.',
    labels: {},
  },
  desired_version: {
    kind: 'gauge',
    help: 'Version of the desired properties in force; absent before the first.',
    labels: {},
  },
  desired_accepted: {
    kind: 'gauge',
    help: '1 while the last desired properties are without fault, else 0; absent before the first.',
    labels: {},
  },
  pulls_total: {
    kind: 'counter',
    help: 'Pulls that ended, by result.',
    labels: { result: ['succeeded', 'unchanged', 'failed', 'cancelled'] },
  },
  pull_failures_total: { kind: 'counter', help: 'Pulls that failed, by reason.', labels: { reason: [] } },
  pull_duration_seconds: {
    kind: 'histogram',
    help: 'How long pulls took that brought an image.',
    labels: {},
  },
  downloaded_bytes_total: {
    kind: 'counter',
    help: 'Bytes that pulls downloaded, whatever became of them.',
    labels: {},
  },
  retries_total: {
    kind: 'counter',
    help: 'Attempts after one that failed.',
    labels: { action: ['pull', 'check', 'login'] },
  },
  evictions_total: {
    kind: 'counter',
    help: 'Desired images that vanished from the engine.',
    labels: {},
  },
  logins_total: {
    kind: 'counter',
    help: 'Logins that were tried, by registry and result.',
    labels: { registry: [], result: ['succeeded', 'failed'] },
  },
  registry_login_ok: {
    kind: 'gauge',
    help: '1 while the registry takes the credentials (or wants none), 0 while it does not; absent while that is not known.',
    labels: { registry: [] },
  },
  hub_connected: { kind: 'gauge', help: '1 while the module is connected to edgeHub.', labels: {} },
  hub_connections_total: {
    kind: 'counter',
    help: 'Connections to edgeHub that were made; all but the first are reconnects.',
    labels: {},
  },
  reports_total: {
    kind: 'counter',
    help: 'Patches of the reported properties, by what became of them.',
    labels: { result: ['accepted', 'refused', 'unanswered'] },
  },
  report_bytes_total: { kind: 'counter', help: 'Bytes of JSON in the patches that were sent.', labels: {} },
  engine_available: { kind: 'gauge', help: '1 while the engine answers.', labels: {} },
  engine_disk_free_bytes: {
    kind: 'gauge',
    help: 'Free on the disk that holds the images; absent where that cannot be known.',
    labels: {},
  },
  engine_call_duration_seconds: {
    kind: 'summary',
    help: 'How long the engine took to answer, by call; pulls are not among them.',
    labels: { call: [] },
  },
  engine_call_failures_total: {
    kind: 'counter',
    help: 'Calls that the engine did not answer well, by call.',
    labels: { call: [] },
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;

/** The labels that a metric has of its own. */
export type LabelsOf<N extends MetricName> = Readonly<
  Record<keyof (typeof METRICS)[N]['labels'] & string, string>
>;

/** Names of the metrics of one kind. */
export type NameOf<K extends MetricRow['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];
