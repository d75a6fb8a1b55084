import type { Book } from '#agent/book';
import type { Herald } from '#agent/herald';
import type { Clock, Log, Sealer, Store } from '#agent/ports';
import { createWake } from '#agent/wake';
import { joinSecrets, parseMemory, splitSecrets, toRemembered } from '#contract/memory';
import type { Memory } from '#contract/memory';
import type { JsonObject } from '#core/merge-patch';

/** What the module keeps in its folder, so that it goes on where it stopped. */
export interface Remembrance {
  /** Reads what was kept, once, before anything else: records and names of images go into the book. */
  recall(): Promise<Recalled | undefined>;
  /** The desired properties that are in force now. */
  keepDesired(document: JsonObject, sha256: string): void;
  /** Something in the book may have changed. */
  readonly ring: () => void;
  /** Saves what changed at once, before something is begun that must not be forgotten; waits for 2 s at most. */
  saveNow(): Promise<void>;
  /** Saves what changed, at its own pace, until the signal aborts; then once more. */
  run(signal: AbortSignal): Promise<void>;
}

/** Desired properties as they were when the module ended. */
export interface Recalled {
  readonly document: JsonObject;
  readonly sha256: string;
  /** Registries whose passwords could not be kept or opened. */
  readonly withoutPasswords: readonly string[];
}

export interface MemoryDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly book: Book;
  readonly herald: Pick<Herald, 'heard'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** At most one write in this time: the folder may be on a flash card. */
const SPACING_MS = 2000;
/** A folder that refuses is tried again this often. */
const RETRY_MS = 60_000;
/** A disk that hangs holds nothing up for longer. */
const PATIENCE_MS = 2000;

/** Makes the remembrance; nothing is read or written yet. */
export function createRemembrance({ store, sealer, book, herald, clock, log }: MemoryDeps): Remembrance {
  const wake = createWake(clock);
  let desired: Memory['desired'];
  /** SHA-256 of the document that was to be kept last. */
  let wanted: string | undefined;
  let saved = '';
  let isRefused = false;
  let saving: Promise<unknown> = Promise.resolve();
  /** A save whose turn has not come. */
  let next: Promise<number> | undefined;

  async function seal(document: JsonObject, sha256: string): Promise<void> {
    const { document: clear, passwords } = splitSecrets(document);
    let kept: Memory['desired'] = { document: clear, sha256 };
    try {
      kept = { ...kept, sealed: await sealer.seal(JSON.stringify(passwords)) };
    } catch (error) {
      log.warn({ err: error }, 'the passwords cannot be sealed and are not kept on this device');
    }
    // Another document may have come and be sealed already.
    if (wanted !== sha256) return;
    desired = kept;
    wake.ring();
  }

  async function open(sealed: string | undefined): Promise<JsonObject> {
    if (sealed === undefined) return {};
    try {
      return JSON.parse(await sealer.open(sealed)) as JsonObject;
    } catch (error) {
      log.warn({ err: error }, 'the passwords kept on this device cannot be opened');
      return {};
    }
  }

  async function read(): Promise<Memory | undefined> {
    try {
      const stored = await store.load();
      const memory = parseMemory(stored);
      if (stored !== undefined && memory === undefined) throw new Error('it is not what this version writes');
      return memory;
    } catch (error) {
      const { message } = error instanceof Error ? error : new Error(String(error));
      log.warn({ error: message }, 'what was remembered cannot be read; the module starts without it');
      return undefined;
    }
  }

  function toMemory(): Memory {
    return {
      version: 1,
      ...(desired === undefined ? {} : { desired }),
      owned: [...book.owned.keys()],
      ownedAs: Object.fromEntries(book.owned),
      claimed: Object.fromEntries([...book.inherited, ...book.claimed]),
      heard: herald.heard,
      images: Object.fromEntries(
        [...book.shelved, ...book.images].map(([name, record]) => [name, toRemembered(record)]),
      ),
    };
  }

  /** @returns when to save again at the earliest, milliseconds since 1970 */
  async function save(): Promise<number> {
    const memory = toMemory();
    const json = JSON.stringify(memory);
    // Nothing that is in force yet must not take the place of what was.
    if (json === saved || desired === undefined) return clock.nowMs();
    try {
      await store.save(memory);
      if (isRefused) log.info({}, 'the storage folder can be written again');
      isRefused = false;
      saved = json;
      return clock.nowMs() + SPACING_MS;
    } catch (error) {
      if (!isRefused)
        log.warn({ err: error }, 'the storage folder cannot be written; the module works without it');
      isRefused = true;
      return clock.nowMs() + RETRY_MS;
    }
  }

  /** One save after another: they write the same file. What comes before its turn goes with it. */
  function saveInTurn(): Promise<number> {
    next ??= saving.then(() => {
      next = undefined;
      return save();
    });
    saving = next;
    return next;
  }

  return {
    ring: wake.ring,
    async saveNow() {
      await Promise.race([saveInTurn(), clock.sleep(PATIENCE_MS, new AbortController().signal)]);
    },
    async recall() {
      const memory = await read();
      if (memory === undefined) return undefined;
      for (const reference of memory.owned) book.owned.set(reference, memory.ownedAs?.[reference] ?? '');
      for (const [reference, claim] of Object.entries(memory.claimed)) book.inherited.set(reference, claim);
      for (const [name, image] of Object.entries(memory.images)) {
        book.images.set(name, { ...image, checkedGeneration: -1, checkFailures: 0 });
      }
      if (memory.heard !== undefined) herald.heard = memory.heard;
      desired = memory.desired;
      if (desired === undefined) return undefined;
      const { document, unknown } = joinSecrets(desired.document, await open(desired.sealed));
      return { document, sha256: desired.sha256, withoutPasswords: unknown };
    },
    keepDesired(document, sha256) {
      wanted = sha256;
      if (desired?.sha256 === sha256 && desired.sealed !== undefined) return;
      void seal(document, sha256);
    },
    async run(signal) {
      while (!signal.aborted) {
        await wake.wait(Infinity, signal);
        const againAtMs = await saveInTurn();
        await clock.sleep(Math.max(againAtMs - clock.nowMs(), 0), signal);
      }
      await saveInTurn();
    },
  };
}
