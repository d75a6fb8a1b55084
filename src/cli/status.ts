import type { ImageEntry, RegistryEntry, StatusDocument } from '#cli/documents';
import { formatStatus } from '#cli/format-status';
import { ask, EXIT } from '#cli/session';
import type { Session } from '#cli/session';

const WATCH_EVERY_MS = 2000;
/** A watch whose terminal is gone would hold the container's memory for ever: nobody tells it. */
const WATCH_FOR_MS = 3_600_000;
const CLEAR_SCREEN = '\u001B[H\u001B[J';

/** All pages of `GetStatus`, of all images or the named ones. */
export async function fetchStatus(session: Session, names?: readonly string[]): Promise<StatusDocument> {
  const images: Record<string, ImageEntry> = {};
  const registries: Record<string, RegistryEntry> = {};
  const wanted = names === undefined ? {} : { images: names };
  for (let after = ''; ;) {
    const { next, ...page } = await ask<StatusDocument & { readonly next?: string }>(session, 'GetStatus', {
      ...wanted,
      after,
    });
    Object.assign(images, page.images);
    Object.assign(registries, page.registries);
    if (next === undefined) return { ...page, registries, images };
    after = next;
  }
}

/** Shows where each image stands, once or again and again. @returns the exit code */
export async function showStatus(
  session: Session,
  { isWatched, isJson }: { readonly isWatched: boolean; readonly isJson: boolean },
): Promise<number> {
  const endMs = session.steadyMs() + WATCH_FOR_MS;
  for (;;) {
    const status = await fetchStatus(session);
    const text = isJson
      ? `${JSON.stringify(status, undefined, isWatched ? 0 : 2)}\n`
      : formatStatus(status, session.nowMs());
    session.write(isWatched && !isJson ? frame(session, text) : text);
    if (!isWatched || session.steadyMs() >= endMs) return status.summary.ready ? EXIT.well : EXIT.notWell;
    await session.sleep(WATCH_EVERY_MS);
  }
}

const frame = ({ isTerminal, nowMs }: Session, text: string): string =>
  isTerminal ? `${CLEAR_SCREEN}${text}` : `--- ${new Date(nowMs()).toISOString()}\n${text}`;
