import type { Overview } from '#core/overview';
import type { WebStream } from '#web/answer';
import type { Selection } from '#web/selection';
import { toView } from '#web/view';
import type { Part, View } from '#web/view';

/** What a page is told: only what is new of it. */
export interface Update {
  /** The device's time, milliseconds since 1970. */
  readonly now: number;
  readonly title: string;
  readonly parts: Partial<Record<Part, string>>;
  /** Rows that are new or changed. */
  readonly rows: Readonly<Record<string, string>>;
  /** All names in their order, where that changed. */
  readonly order?: readonly string[];
}

/** Tells one page what changes: everything at first, for time passed since it was made. */
export function createLive(toOverview: () => Overview, selection: Selection): WebStream {
  let before: View | undefined;
  return {
    next() {
      const overview = toOverview();
      const view = toView(overview, selection);
      const update = toUpdate(before, view, overview.nowMs);
      before = view;
      return update === undefined ? undefined : JSON.stringify(update);
    },
  };
}

function toUpdate(before: View | undefined, { title, parts, rows }: View, now: number): Update | undefined {
  const newParts = Object.entries(parts).filter(([id, text]) => before?.parts[id as Part] !== text);
  const newRows = [...rows].filter(([name, text]) => before?.rows.get(name) !== text);
  const order = [...rows.keys()];
  const isMoved = before === undefined || order.join() !== [...before.rows.keys()].join();
  if (newParts.length === 0 && newRows.length === 0 && !isMoved && before.title === title) return undefined;
  return {
    now,
    title,
    parts: Object.fromEntries(newParts),
    rows: Object.fromEntries(newRows),
    ...(isMoved ? { order } : {}),
  };
}
