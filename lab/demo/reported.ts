import type { TwinObject } from '../edge.ts';

/** One image as the reported properties have it. */
export interface ReportedImage {
  readonly name: string;
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
  readonly percent?: number;
  readonly downloadedBytes?: number;
  readonly totalBytes?: number;
  readonly digest?: string;
  readonly sizeBytes?: number;
}

/** The `summary` of the reported properties. */
export interface ReportedSummary {
  readonly ready?: boolean;
  readonly desired?: number;
  readonly pulled?: number;
  readonly downloadedBytes?: number;
  readonly totalBytes?: number;
  readonly etaSeconds?: number;
}

/** One image of the reported properties, `undefined` while nothing is reported of it. */
export function toReportedImage(reported: TwinObject, name: string): ReportedImage | undefined {
  const entry = toObject(toObject(reported['images'])[name]);
  return typeof entry['phase'] === 'string' ? ({ ...entry, name } as unknown as ReportedImage) : undefined;
}

/** The summary, empty while there is none. */
export function toReportedSummary(reported: TwinObject): ReportedSummary {
  return toObject(reported['summary']);
}

/** What is reported of the registry, empty while nothing is. */
export function toReportedRegistry(reported: TwinObject, name: string): TwinObject {
  return toObject(toObject(reported['registries'])[name]);
}

function toObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
