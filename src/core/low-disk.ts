import type { NewsImage } from '#core/news';
import type { Standing, WaitingStanding } from '#core/world';

/**
 * Which images wait for room on the engine's disk, or did and have not come since: one that is tried where there is a
 * little, and fails for want of the rest, waits all the while. Pure.
 *
 * @param images - those that are desired and not here
 */
export function findShut(
  before: ReadonlySet<string>,
  images: ReadonlyMap<string, NewsImage>,
): ReadonlySet<string> {
  const shut = new Set<string>();
  for (const [name, image] of images) {
    if (isLowDisk(image.standing) || (before.has(name) && !isOther(image))) shut.add(name);
  }
  return shut;
}

export const isLowDisk = (standing: Standing): standing is WaitingStanding =>
  standing.phase === 'Waiting' && standing.reason === 'LowDisk';

/** It has a fault of its own that is another one. */
const isOther = ({ standing, isOwnFailure }: NewsImage): boolean =>
  standing.phase === 'Failed' && isOwnFailure && standing.reason !== 'DiskFull';
