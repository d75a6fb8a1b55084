import { toLine } from '#contract/findings';
import { formatTime } from '#contract/reported';
import type { News } from '#core/news';

/** The output that events go to. */
export const EVENTS_OUTPUT = 'pullEvents';

/** An event as it is sent: JSON, on one line of which no text is longer than 256 characters. */
export function toEvent(news: News, atMs: number, desiredVersion: number | undefined): object {
  const message = 'message' in news ? { message: toLine(news.message) } : {};
  return {
    schemaVersion: '1.0',
    time: formatTime(atMs),
    ...(desiredVersion === undefined ? {} : { desiredVersion }),
    ...news,
    ...message,
  };
}
