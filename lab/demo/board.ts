import type { TwinObject } from '../edge.ts';
import { formatBytes } from './format.ts';
import type { ReportedImage } from './reported.ts';

/** Shows where images stand, by what the twin reports and nothing else. */
export interface Board {
  update(reported: TwinObject): void;
  /** Leaves what it shows. */
  close(): void;
}

/** `4.8 of 12.0 MB`. */
export function formatProgress(bytes: number, totalBytes: number): string {
  const [[amount = '', unit], total] = [formatBytes(bytes).split(' '), formatBytes(totalBytes)];
  return total.endsWith(` ${unit}`) ? `${amount} of ${total}` : `${amount} ${unit} of ${total}`;
}

/** What is worth a word beside the phase: the reason, or how many bytes. */
export function formatDetail(image: ReportedImage): string {
  const { phase, reason, downloadedBytes, totalBytes, sizeBytes } = image;
  if (phase === 'Pulled') return sizeBytes === undefined ? '' : formatBytes(sizeBytes);
  if (phase !== 'Pulling') return reason ?? '';
  // An attempt begins before its layers are known.
  if (downloadedBytes === undefined || totalBytes === undefined || totalBytes === 0) return '';
  return formatProgress(downloadedBytes, totalBytes);
}
