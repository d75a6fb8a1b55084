import type { StatusDocument } from '#cli/documents';

/** Why no desired properties are in force, in words that a sentence goes on with; undefined where some are. */
export function toMissing({
  lastDesiredVersion,
  lastDesiredStatus,
  summary,
}: StatusDocument): string | undefined {
  if (lastDesiredVersion !== undefined || summary.ready || summary.desired > 0) return undefined;
  if (lastDesiredStatus === undefined) {
    return 'nothing is known yet of what is desired, which edgeHub tells (iotedge list, iotedge logs edgeHub)';
  }
  // What was accepted a moment ago is in force with the next pass.
  return lastDesiredStatus.code === 200 ? undefined : 'no desired properties are in force';
}
