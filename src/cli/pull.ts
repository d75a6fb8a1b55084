import type { ImageEntry, TaskDocument } from '#cli/documents';
import { formatStatus } from '#cli/format-status';
import { ask, EXIT } from '#cli/session';
import type { Session } from '#cli/session';
import { fetchStatus } from '#cli/status';
import { formatBar } from '#cli/table';

export interface PullOptions {
  /** None: all that are desired. */
  readonly names: readonly string[];
  readonly isForced: boolean;
  readonly isAwaited: boolean;
  readonly isJson: boolean;
}

const LOOK_EVERY_MS = 1000;
/** So long one attempt may take. What is paused may wait for ever, and nobody tells a command that its terminal is gone. */
const WAIT_FOR_MS = 4 * 3_600_000;
/** Each tenth part of an image is a line. */
const TENTH = 10;

/** Has images pulled now, and tells how it goes until that has ended. @returns the exit code */
export async function pull(session: Session, options: PullOptions): Promise<number> {
  const { names, isForced, isAwaited, isJson } = options;
  const { correlationId, images } = await ask<{ correlationId: string; images: string[] }>(
    session,
    'PullImages',
    { ...(names.length === 0 ? {} : { images: names }), force: isForced },
  );
  if (!isAwaited) {
    const count = `${images.length} ${images.length === 1 ? 'image' : 'images'}`;
    session.write(isJson ? `${JSON.stringify({ correlationId, images })}\n` : `Asked for: ${count}.\n`);
    return EXIT.well;
  }
  const told = new Map<string, string>();
  const endMs = session.nowMs() + WAIT_FOR_MS;
  for (;;) {
    const task = await ask<TaskDocument>(session, 'GetTaskStatus', { correlationId });
    const status = await fetchStatus(session, images);
    if (!isJson) tellProgress(session, status.images, told);
    if (task.status !== 'Running' || session.nowMs() >= endMs) {
      session.write(
        isJson
          ? `${JSON.stringify({ ...task, images: status.images }, undefined, 2)}\n`
          : `\n${formatStatus(status, session.nowMs())}`,
      );
      return task.status === 'Completed' ? EXIT.well : EXIT.notWell;
    }
    await session.sleep(LOOK_EVERY_MS);
  }
}

/** One line where an image has come further since it was told of. */
function tellProgress(
  { write }: Session,
  images: Readonly<Record<string, ImageEntry>>,
  told: Map<string, string>,
): void {
  for (const [name, { phase, reason, percent = 0 }] of Object.entries(images)) {
    const tenth = Math.floor(percent / TENTH) * TENTH;
    const news =
      phase === 'Pulling' ? `${formatBar(tenth)} ${tenth} %` : [phase, reason].filter(Boolean).join(' ');
    if (told.get(name) === news) continue;
    told.set(name, news);
    write(`${name}: ${news}\n`);
  }
}
