import { METRICS } from '#core/metrics';
import type { MetricName } from '#core/metrics';
import type { Neighbour, Overview } from '#core/overview';
import type { Reason } from '#core/reason';
import type { Status } from '#core/status';
import type { Series, Tally } from '#core/tally';
import { formatExposition } from '#web/exposition';

/** Who the numbers are of. */
export interface MetricsIdentity {
  readonly iothub: string;
  readonly device: string;
  readonly module: string;
  /** Another one at each start. */
  readonly instance: string;
  readonly nodeVersion: string;
}

/** All metrics as `/metrics` answers them; labelled as those of IoT Edge's own modules, so that one collector takes both. */
export function formatMetrics(overview: Overview, tally: Tally, identity: MetricsIdentity): string {
  const gauges = toGauges(overview, identity);
  const names = Object.keys(METRICS) as MetricName[];
  const metrics = names.map((name) => [name, gauges[name] ?? tally.list(name)] as const);
  return formatExposition(withPulling(new Map(metrics), overview), {
    iothub: identity.iothub,
    edge_device: identity.device,
    instance_number: identity.instance,
    module_name: identity.module,
  });
}

type Gauges = Partial<Record<MetricName, readonly Series[]>>;

function toGauges(overview: Overview, { nodeVersion }: MetricsIdentity): Gauges {
  const { status, hub, engine, freeBytes, oldestUnmetMs } = overview;
  const { agent, summary, registries, lastDesiredVersion, lastDesiredStatus } = status;
  return {
    build_info: [of(1, { version: agent.version, node_version: nodeVersion })],
    start_time_seconds: [of(agent.startedAtMs / 1000)],
    healthy: [of(Number(overview.isAlive))],
    ready: [of(Number(summary.isReady))],
    images: [
      of(summary.waiting, { phase: 'Waiting' }),
      of(summary.pulling, { phase: 'Pulling' }),
      of(summary.pulled, { phase: 'Pulled' }),
      of(summary.failed, { phase: 'Failed' }),
    ],
    images_not_pulled: countReasons(status),
    oldest_unmet_image_age_seconds: [of(oldestUnmetMs / 1000)],
    desired_version: lastDesiredVersion === undefined ? [] : [of(lastDesiredVersion)],
    desired_accepted: lastDesiredStatus === undefined ? [] : [of(Number(lastDesiredStatus.code === 200))],
    registry_login_ok: [...registries].flatMap(([registry, { login }]) =>
      login === 'Unknown' ? [] : [of(Number(login !== 'Failed'), { registry })],
    ),
    hub_connected: [of(toUp(hub))],
    engine_available: [of(toUp(engine))],
    engine_disk_free_bytes: freeBytes === undefined ? [] : [of(freeBytes)],
  };
}

function countReasons({ images, misnamed }: Status): Series[] {
  const counts = new Map<string, Series>();
  const count = (phase: string, reason: Reason, more = 1): void => {
    const key = `${phase} ${reason}`;
    counts.set(key, of((counts.get(key)?.value ?? 0) + more, { phase, reason }));
  };
  for (const { phase, reason } of images.values()) if (reason !== undefined) count(phase, reason);
  if (misnamed > 0) count('Failed', 'InvalidImage', misnamed);
  return [...counts.values()];
}

/** What pulls under way have downloaded counts now, not when they end. */
function withPulling(
  metrics: Map<MetricName, readonly Series[]>,
  { pullingBytes }: Overview,
): ReadonlyMap<MetricName, readonly Series[]> {
  const ended = metrics.get('downloaded_bytes_total')?.[0]?.value ?? 0;
  return metrics.set('downloaded_bytes_total', [of(ended + pullingBytes)]);
}

const toUp = ({ state }: Neighbour): number => Number(state === 'up');

const of = (value: number, labels: Series['labels'] = {}): Series => ({ suffix: '', labels, value });
