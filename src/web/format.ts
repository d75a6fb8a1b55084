import { html } from '#web/html';
import type { Html } from '#web/html';

/** For people: `42 s`, `3 min 5 s`, `25 min`, `3 h 5 min`, `2 d 3 h`. */
export function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return formatParts([minutes, 'min'], [Math.ceil(seconds % 60), 's']);
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return formatParts([hours, 'h'], [minutes % 60, 'min']);
  return formatParts([Math.floor(hours / 24), 'd'], [hours % 24, 'h']);
}

const formatParts = (...parts: readonly (readonly [number, string])[]): string =>
  parts
    .filter(([count], index) => count > 0 || (index > 0 && parts[0]?.[0] === 0))
    .map((part) => part.join(' '))
    .join(' ');

/**
 * A moment, of which the page's script tells how long ago it was, how long it is still to come, or for how long it has
 * been so; without script it is read as it stands here. It changes only when the moment does.
 */
export function formatMoment(atMs: number, direction: 'ago' | 'in' | 'for' = 'ago'): Html {
  const iso = new Date(atMs).toISOString();
  const text = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  const preposition = { ago: '', in: 'at ', for: 'since ' }[direction];
  return html`<time datetime="${iso.slice(0, 19)}Z" data-as="${direction}">${preposition}${text}</time>`;
}

/** `1 image`, `2 images`. */
export const formatCount = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`;
