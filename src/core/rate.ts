/** Bytes downloaded so far, at a time. */
export interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

const WINDOW_MS = 30_000;
const SPACING_MS = 1000;

/** The samples with one more: at most one a second, those of the last half minute; a count that falls begins anew. */
export function addSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && (sample.bytes < last.bytes || sample.atMs < last.atMs)) return [sample];
  if (last !== undefined && sample.atMs - last.atMs < SPACING_MS) return samples;
  return [...samples.filter(({ atMs }) => atMs >= sample.atMs - WINDOW_MS), sample];
}

/** Seconds until `remainingBytes` have come at the rate of the samples; undefined while that cannot be said. */
export function toEtaSeconds(samples: readonly Sample[], remainingBytes: number): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.bytes <= first.bytes) return undefined;
  return Math.ceil((remainingBytes * (last.atMs - first.atMs)) / (last.bytes - first.bytes) / 1000);
}
