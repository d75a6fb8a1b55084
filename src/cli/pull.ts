import type { ImageEntry, StatusDocument, TaskDocument } from '#cli/documents';
import { formatStatus } from '#cli/format-status';
import { toLack } from '#cli/in-force';
import { ask, askOfDesired, EXIT, Refused } from '#cli/session';
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
  const { isForced, isAwaited, isJson } = options;
  const { correlationId, images } = await askOfDesired<{ correlationId: string; images: string[] }>(
    session,
    'PullImages',
    { ...(options.names.length === 0 ? {} : { images: options.names }), force: isForced },
  );
  if (!isAwaited) {
    const count = `${images.length} ${images.length === 1 ? 'image' : 'images'}`;
    session.write(isJson ? `${JSON.stringify({ correlationId, images })}\n` : `Asked for: ${count}.\n`);
    return EXIT.well;
  }
  const told = new Map<string, string>();
  const endMs = session.steadyMs() + WAIT_FOR_MS;
  let names = images;
  for (;;) {
    const task = await ask<TaskDocument>(session, 'GetTaskStatus', { correlationId });
    const { status, gone } = await fetchStanding(session, names);
    names = names.filter((name) => !gone.includes(name));
    if (!isJson) for (const name of gone) session.write(`${name}: no longer desired\n`);
    if (!isJson) tellProgress(session, status.images, told);
    // Of no images it is done at once, and whether all is well is known when the engine has answered.
    const isGoingOn = task.status === 'Running' || toLack(status) === 'unseen';
    if (!isGoingOn || session.steadyMs() >= endMs) {
      session.write(
        isJson
          ? `${JSON.stringify({ ...task, images: status.images }, undefined, 2)}\n`
          : `\n${formatStatus(status, session.nowMs())}`,
      );
      // Where none were listed a moment ago, some may be by now.
      const isWell = task.status === 'Completed' && (images.length > 0 || status.summary.ready);
      return isWell ? EXIT.well : EXIT.notWell;
    }
    await session.sleep(LOOK_EVERY_MS);
  }
}

interface Standings {
  /** Of the named images, as far as that is told: a pass may have to look at one that was desired just now. */
  readonly status: StatusDocument;
  /** No longer desired. */
  readonly gone: readonly string[];
}

/** Where the named images stand. */
async function fetchStanding(session: Session, names: readonly string[]): Promise<Standings> {
  try {
    return { status: await fetchStatus(session, names), gone: [] };
  } catch (error) {
    if (!(error instanceof Refused) || error.exitCode !== EXIT.usage) throw error;
    const status = await fetchStatus(session);
    const images = Object.entries(status.images).filter(([name]) => names.includes(name));
    const gone = names.filter((name) => !Object.hasOwn(status.images, name));
    return { status: { ...status, images: Object.fromEntries(images) }, gone };
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
