/** Bytes downloaded so far, at a time. */
export interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

const WINDOW_MS = 30_000;
/** Samples are this far apart at least. */
export const SPACING_MS = 1000;

/** The samples with one more: at most one a second, those of the last half minute; a count that falls begins anew. */
export function addSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && (sample.bytes < last.bytes || sample.atMs < last.atMs)) return [sample];
  if (last !== undefined && sample.atMs - last.atMs < SPACING_MS) return samples;
  return [...samples.filter(({ atMs }) => atMs >= sample.atMs - WINDOW_MS), sample];
}

/** The rate of the samples; undefined while that cannot be said, and where nothing comes. */
export function toBytesPerSecond(samples: readonly Sample[]): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.bytes <= first.bytes) return undefined;
  return (1000 * (last.bytes - first.bytes)) / (last.atMs - first.atMs);
}

/** Seconds until `remainingBytes` have come at the rate of the samples; undefined while that cannot be said. */
export function toEtaSeconds(samples: readonly Sample[], remainingBytes: number): number | undefined {
  const bytesPerSecond = toBytesPerSecond(samples);
  return bytesPerSecond === undefined ? undefined : Math.ceil(remainingBytes / bytesPerSecond);
}
