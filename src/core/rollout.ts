import { formatBytes, formatDuration, formatSome } from '#core/format';
import type { Standing } from '#core/world';

/** What has happened since a version of the desired properties came. */
export interface Rollout {
  readonly version?: number | undefined;
  readonly durationMs: number;
  /** Downloaded, by pulls that failed too. */
  readonly bytes: number;
  /** Pulls that failed. */
  readonly retries: number;
}

/** Nothing is under way any more, and not all is well. */
export function isStuck(standings: ReadonlyMap<string, Standing>): boolean {
  let hasFailed = false;
  for (const { phase } of standings.values()) {
    if (phase !== 'Pulled' && phase !== 'Failed') return false;
    hasFailed ||= phase === 'Failed';
  }
  return hasFailed;
}

const MOST_NAMED = 5;

/** One line on a rollout: `rollout 42: 5 of 5 images ready in 1 min 12 s, 483 MB, 1 retry`. */
export function formatRollout(
  { version, durationMs, bytes, retries }: Rollout,
  standings: ReadonlyMap<string, Standing>,
): string {
  const all = [...standings];
  const pulled = all.filter(([, { phase }]) => phase === 'Pulled').length;
  const failed = all.flatMap(([name, standing]) =>
    standing.phase === 'Failed' ? [`${name} (${standing.reason})`] : [],
  );
  const time = `${pulled === all.length ? 'in' : 'after'} ${formatDuration(durationMs)}`;
  const facts = [
    `${pulled} of ${all.length} ${all.length === 1 ? 'image' : 'images'} ready ${time}`,
    formatBytes(bytes),
    retries === 1 ? '1 retry' : `${retries === 0 ? 'no' : retries} retries`,
  ];
  const title = version === undefined ? 'rollout' : `rollout ${version}`;
  const rest = failed.length === 0 ? '' : `; failed: ${formatSome(failed, MOST_NAMED)}`;
  return `${title}: ${facts.join(', ')}${rest}`;
}
