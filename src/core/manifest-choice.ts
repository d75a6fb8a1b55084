import { shown } from '#core/manifest';
import type { Child, ImageIndex } from '#core/manifest';
import { formatPlatform, isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';

/** What an engine takes of an index. */

/** The platforms that an index names: attestations, for `unknown`, are none. */
export function listPlatforms({ children }: ImageIndex): readonly Platform[] {
  return children.flatMap(({ platform }) =>
    platform === undefined || isUnknown(platform) ? [] : [platform],
  );
}

/**
 * The child that an engine picks: of its own architecture before one that it runs beside it, of the very variant before
 * an older one, the first of equals.
 *
 * @param engine - the engine's own platform
 * @param wanted - as the operator has it; undefined: the engine's own
 * @throws AgentError `PlatformMismatch` where none fits
 */
export function pickChild({ children }: ImageIndex, engine: Platform, wanted?: Platform): Child {
  const target = wanted ?? engine;
  const fitting = children
    .filter(
      ({ platform }) =>
        platform === undefined || (!isUnknown(platform) && isPlatformMatch(platform, engine, wanted)),
    )
    .toSorted((one, other) => toRank(one.platform, target) - toRank(other.platform, target));
  const [child] = fitting;
  if (child === undefined) throw toMismatch(listPlatforms({ kind: 'index', children }), target);
  return child;
}

/** The failure of an image that holds nothing for a platform. */
export function toMismatch(held: readonly Platform[], target: Platform): AgentError {
  const names = shown(held.slice(0, 12).map(formatPlatform).join(', '));
  return new AgentError(
    'PlatformMismatch',
    `the image is for ${names || 'no platform'}, and not for ${formatPlatform(target)}`,
    { quoted: [names] },
  );
}

/** Lower ones are picked first. */
function toRank(platform: Platform | undefined, target: Platform): number {
  if (platform === undefined) return 1000;
  const own = platform.architecture === target.architecture ? 0 : 100;
  const level = toLevel(platform);
  const wanted = toLevel({ ...platform, variant: target.variant ?? '' });
  // What the processor may not run yet comes last.
  return own + (level <= wanted ? wanted - level : 50 + level);
}

/** Those that go without saying, as containerd's normalization has them. */
const DEFAULT_LEVELS: ReadonlyMap<string, number> = new Map([
  ['amd64', 1],
  ['arm', 7],
  ['arm64', 8],
]);

function toLevel({ architecture, variant = '' }: Platform): number {
  const level = /^v(\d+)/.exec(variant)?.[1];
  return level === undefined ? (DEFAULT_LEVELS.get(architecture) ?? 0) : Math.min(Number(level), 40);
}

const isUnknown = ({ os, architecture }: Platform): boolean => [os, architecture].includes('unknown');
