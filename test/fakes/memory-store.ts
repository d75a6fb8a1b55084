import type { Sealer, Store } from '#agent/ports';

/** A folder in memory, which outlives the agents of a test. */
export interface MemoryStore extends Store {
  /** What was saved last, as text. */
  text: string;
  /** Whether it refuses to be written, as a full or read-only folder does. */
  refuses: boolean;
}

export function createMemoryStore(text = ''): MemoryStore {
  const store: MemoryStore = {
    text,
    refuses: false,
    async load() {
      return store.text === '' ? undefined : (JSON.parse(store.text) as unknown);
    },
    async save(document) {
      if (store.refuses) throw new Error('EROFS: read-only file system');
      store.text = JSON.stringify(document);
    },
  };
  return store;
}

/** Seals by reversing: enough to see that what was sealed does not stand in clear. */
export function createFakeSealer(): Sealer & { isAway: boolean } {
  const reverse = (text: string): string => text.split('').toReversed().join('');
  const turn = async (text: string): Promise<string> => {
    if (sealer.isAway) throw new Error('the workload API is away');
    return reverse(text);
  };
  const sealer = { isAway: false, seal: turn, open: turn };
  return sealer;
}
