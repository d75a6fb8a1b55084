import type { Book } from '#agent/book';
import type { Standing } from '#core/world';

/** Direct-method calls that go on after their answer, newest last. */
export interface Tasks {
  /** @returns the correlation id */
  begin(names: readonly string[]): string;
  /** Settles names whose demand has ended. */
  settle(standings: ReadonlyMap<string, Standing>, toOutcome: (name: string) => Outcome): void;
  find(correlationId: string): Task | undefined;
}

/** How the demand for one image stands: `gone` where nothing with this name is desired any more. */
export type Outcome = 'pending' | 'met' | 'unmet' | 'gone';

export interface Task {
  readonly status: 'Running' | 'Completed' | 'Failed';
  readonly images: Readonly<Record<string, Standing['phase']>>;
}

interface Entry {
  readonly phases: Map<string, Standing['phase']>;
  readonly pending: Set<string>;
  hasFailed: boolean;
}

/** Enough for a day of hourly calls; older ones answer 404. */
const MAX_TASKS = 100;

/** Makes the table, empty. */
export function createTasks(createId: () => string): Tasks {
  const entries = new Map<string, Entry>();

  function settleName(entry: Entry, name: string, standing: Standing | undefined, outcome: Outcome): void {
    const phase = outcome === 'gone' ? 'Failed' : (standing?.phase ?? 'Waiting');
    entry.phases.set(name, phase);
    if (outcome === 'pending') return;
    entry.pending.delete(name);
    if (outcome !== 'met' || phase !== 'Pulled') entry.hasFailed = true;
  }

  return {
    begin(names) {
      const id = createId();
      const phases = new Map(names.map((name) => [name, 'Waiting' as const]));
      entries.set(id, { phases, pending: new Set(names), hasFailed: false });
      for (const oldest of entries.keys()) {
        if (entries.size <= MAX_TASKS) break;
        entries.delete(oldest);
      }
      return id;
    },
    settle(standings, toOutcome) {
      for (const entry of entries.values()) {
        for (const name of entry.pending) settleName(entry, name, standings.get(name), toOutcome(name));
      }
    },
    find(correlationId) {
      const entry = entries.get(correlationId);
      if (entry === undefined) return undefined;
      const end = entry.hasFailed ? 'Failed' : 'Completed';
      return {
        status: entry.pending.size > 0 ? 'Running' : end,
        images: Object.fromEntries(entry.phases),
      };
    },
  };
}

/** How the demand for one image stands in the book. */
export function toOutcome({ images, desired }: Book, name: string): Outcome {
  const record = images.get(name);
  if (record === undefined) return desired?.images.has(name) ? 'unmet' : 'gone';
  if (record.demand !== undefined) return 'pending';
  return record.demandMet === true ? 'met' : 'unmet';
}
