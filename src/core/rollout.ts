import { formatBytes, formatDuration, formatSome } from '#core/format';
import { isLowDisk } from '#core/low-disk';
import type { Standing } from '#core/world';

/** What has happened since a version of the desired properties came. */
export interface Rollout {
  readonly version?: number | undefined;
  readonly durationMs: number;
  /** Downloaded, by pulls that failed too. */
  readonly bytes: number;
  /** Pulls that failed. */
  readonly retries: number;
  /** Paths of images that are left out for their name. */
  readonly misnamed: readonly string[];
}

/** Nothing is under way any more, and not all is well. */
export function isStuck({ misnamed }: Rollout, standings: ReadonlyMap<string, Standing>): boolean {
  let isShort = misnamed.length > 0;
  for (const standing of standings.values()) {
    if (standing.phase === 'Pulled') continue;
    if (standing.phase !== 'Failed' && !isLowDisk(standing)) return false;
    isShort = true;
  }
  return isShort;
}

const MOST_NAMED = 5;

/** One line on a rollout: `rollout 42: 5 of 5 images ready in 1 min 12 s, 483 MB, 1 retry`. */
export function formatRollout(
  { version, durationMs, bytes, retries, misnamed }: Rollout,
  standings: ReadonlyMap<string, Standing>,
): string {
  const all = [...standings];
  const pulled = all.filter(([, { phase }]) => phase === 'Pulled').length;
  const failed = all.flatMap(([name, standing]) =>
    standing.phase === 'Failed' ? [`${name} (${standing.reason})`] : [],
  );
  failed.push(...misnamed.map((path) => `${path} (InvalidImage)`));
  const waiting = all.flatMap(([name, standing]) => (isLowDisk(standing) ? [`${name} (LowDisk)`] : []));
  const desired = all.length + misnamed.length;
  const time = `${pulled === desired ? 'in' : 'after'} ${formatDuration(durationMs)}`;
  const facts = [
    `${pulled} of ${desired} ${desired === 1 ? 'image' : 'images'} ready ${time}`,
    formatBytes(bytes),
    retries === 1 ? '1 retry' : `${retries === 0 ? 'no' : retries} retries`,
  ];
  const title = version === undefined ? 'rollout' : `rollout ${version}`;
  const rest = [formatRest('failed', failed), formatRest('waiting', waiting)].join('');
  return `${title}: ${facts.join(', ')}${rest}`;
}

const formatRest = (what: string, names: readonly string[]): string =>
  names.length === 0 ? '' : `; ${what}: ${formatSome(names, MOST_NAMED)}`;
