import { formatBytes } from '#core/format';
import type { ImageStatus } from '#core/status';
import { formatDuration, formatMoment } from '#web/format';
import { html, NOTHING } from '#web/html';
import type { Html } from '#web/html';
import { toRow } from '#web/table';

/** One image as a row of the table; the same image makes the same row, whenever it is. */
export function toImageRow(name: string, image: ImageStatus): Html {
  const { image: reference, phase, reason } = image;
  const details = toDetails(name, image);
  return toRow({ id: `image-${name}`, name, reference, state: phase, colours: phase, reason, details });
}

function toDetails(name: string, image: ImageStatus): Html {
  switch (image.phase) {
    case 'Pulling':
      return toProgress(name, image);
    case 'Pulled':
      return toPulled(image);
    case 'Waiting':
      return html`${image.message}`;
    case 'Failed':
      return html`${image.message}${toRetry(image)}`;
  }
}

function toProgress(name: string, image: ImageStatus): Html {
  const { percent = 0, downloadedBytes = 0, totalBytes = 0, bytesPerSecond } = image;
  const amount =
    totalBytes === 0 ? 'asks the registry' : `${formatBytes(downloadedBytes)} of ${formatBytes(totalBytes)}`;
  const isWhole = totalBytes > 0 && downloadedBytes === totalBytes;
  const pace = isWhole ? 'unpacks' : formatPace(bytesPerSecond, totalBytes - downloadedBytes);
  return html`<progress max="100" value="${percent}" aria-label="${name}"></progress>
    <span class="nums">${[`${percent} %`, amount, pace].filter((part) => part !== '').join(' · ')}</span>`;
}

/** `2.1 MB/s · 30 s left`; empty while nothing comes. */
export function formatPace(bytesPerSecond: number | undefined, remainingBytes: number): string {
  if (bytesPerSecond === undefined) return '';
  const seconds = Math.ceil(remainingBytes / bytesPerSecond);
  return `${formatBytes(bytesPerSecond)}/s${seconds > 0 ? ` · ${formatDuration(seconds)} left` : ''}`;
}

const DIGEST_LENGTH = 'sha256:'.length + 12;

function toPulled({ sizeBytes = 0, pulledAtMs, digest, evictions }: ImageStatus): Html {
  return html`<span class="nums"
      >${formatBytes(sizeBytes)}${
        pulledAtMs === undefined ? NOTHING : html` &middot; ${formatMoment(pulledAtMs)}`
      }${evictions === 0 ? '' : ` · vanished and came again: ${evictions}×`}</span
    >${
      digest === undefined ? NOTHING : html` <code title="${digest}">${digest.slice(0, DIGEST_LENGTH)}</code>`
    }`;
}

function toRetry({ attempts, retryAtMs }: ImageStatus): Html {
  const next = retryAtMs === undefined ? NOTHING : html`Next try ${formatMoment(retryAtMs, 'in')}`;
  const count = attempts > 1 ? `${retryAtMs === undefined ? 'F' : ', f'}ailed ${attempts} times` : '';
  if (retryAtMs === undefined && count === '') return NOTHING;
  return html` <span class="nums line">${next}${count}</span>`;
}
