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

const PHASES = ['Waiting', 'Pulling', 'Pulled', 'Failed'] as const satisfies readonly Standing['phase'][];

/** A list of thousands may be asked for each hour: what is kept of a name is two bytes, at the same place in each array. */
interface Entry {
  readonly names: readonly string[];
  /** Places in {@link PHASES}. */
  readonly phases: Uint8Array;
  /** 1 while the demand has not ended. */
  readonly pending: Uint8Array;
  hasFailed: boolean;
}

/** Enough for a day of hourly calls; older ones answer 404. */
const MAX_TASKS = 100;

/** Makes the table, empty. */
export function createTasks(createId: () => string): Tasks {
  const entries = new Map<string, Entry>();

  function settleName(entry: Entry, index: number, standing: Standing | undefined, outcome: Outcome): void {
    const phase = outcome === 'gone' ? 'Failed' : (standing?.phase ?? 'Waiting');
    entry.phases[index] = PHASES.indexOf(phase);
    if (outcome === 'pending') return;
    entry.pending[index] = 0;
    if (outcome !== 'met' || phase !== 'Pulled') entry.hasFailed = true;
  }

  /** The same list is mostly asked for again, and kept once. */
  function toKept(names: readonly string[]): readonly string[] {
    const isSame = (before: readonly string[]): boolean =>
      names.length === before.length && names.every((name, index) => name === before[index]);
    return [...entries.values()].find((entry) => isSame(entry.names))?.names ?? names;
  }

  return {
    begin(names) {
      const id = createId();
      entries.set(id, {
        names: toKept(names),
        phases: new Uint8Array(names.length),
        pending: new Uint8Array(names.length).fill(1),
        hasFailed: false,
      });
      for (const oldest of entries.keys()) {
        if (entries.size <= MAX_TASKS) break;
        entries.delete(oldest);
      }
      return id;
    },
    settle(standings, toOutcome) {
      for (const entry of entries.values()) {
        if (!entry.pending.includes(1)) continue;
        for (const [index, name] of entry.names.entries()) {
          if (entry.pending[index] === 1) settleName(entry, index, standings.get(name), toOutcome(name));
        }
      }
    },
    find(correlationId) {
      const entry = entries.get(correlationId);
      if (entry === undefined) return undefined;
      const end = entry.hasFailed ? 'Failed' : 'Completed';
      const { names, phases } = entry;
      return {
        status: entry.pending.includes(1) ? 'Running' : end,
        images: Object.fromEntries(
          names.map((name, index) => [name, PHASES[phases[index] ?? 0] ?? 'Waiting'] as const),
        ),
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
