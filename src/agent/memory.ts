import type { Book } from '#agent/book';
import type { Herald } from '#agent/herald';
import { persist } from '#agent/persist';
import type { Clock, Log, Sealer, Store } from '#agent/ports';
import { createWake } from '#agent/wake';
import { joinSecrets, parseMemory, splitSecrets, toRemembered } from '#contract/memory';
import type { Memory } from '#contract/memory';
import type { JsonObject } from '#core/merge-patch';
import { toSortedJson } from '#core/sorted-json';

/** What the module keeps in its folder, so that it goes on where it stopped. */
export interface Remembrance {
  /**
   * Reads what was kept, once, before anything else: records and names of images go into the book. Desired properties are
   * handed over, and once more when their passwords can be opened that could not be at first. Waits for the folder for 2 s
   * at most; what it answers later is taken then, and nothing is saved before.
   */
  recall(take: (recalled: Recalled) => void): Promise<void>;
  /** Whether desired properties may be handed over yet, of which nothing is known; for a minute at most. */
  readonly isReading: boolean;
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
  /** It reads no longer. */
  readonly onRead: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** At most one write in this time: the folder may be on a flash card. */
const SPACING_MS = 2000;
/** A folder that refuses is tried again this often. */
const RETRY_MS = 60_000;
/** A disk that hangs holds nothing up for longer. */
const PATIENCE_MS = 2000;
/** Nor is what is to be told held back for longer. */
const READING_MS = 60_000;

/** Makes the remembrance; nothing is read or written yet. */
export function createRemembrance(deps: MemoryDeps): Remembrance {
  const { store, sealer, book, herald, clock, log } = deps;
  const wake = createWake(clock);
  let desired: Memory['desired'];
  /** The passwords that were sealed or opened last, in clear and sealed. */
  let known: { readonly text: string; readonly sealed: string } | undefined;
  /** Has the sealing or opening that goes on end: of other desired properties. */
  let trying = new AbortController();
  let isSealerAway = false;
  let saved = '';
  let isRefused = false;
  let isReading = true;
  let saving: Promise<unknown> = Promise.resolve();
  /** A save whose turn has not come. */
  let next: Promise<number> | undefined;

  /** Keeps the document, and its passwords as soon as they can be sealed. */
  async function seal(document: JsonObject, sha256: string, text: string): Promise<void> {
    const { signal } = tryAnew();
    // The same document has the same passwords.
    const former = desired?.sha256 === sha256 ? desired.sealed : undefined;
    const unsealed = { document, sha256, ...(former === undefined ? {} : { sealed: former }) };
    const sealed = await persist(
      () => sealer.seal(text),
      (error) => {
        if (!isSealerAway)
          log.warn({ err: error }, 'the passwords cannot be sealed and are not kept on this device');
        isSealerAway = true;
        keep(unsealed);
      },
      clock,
      signal,
    );
    if (sealed === undefined) return;
    if (isSealerAway) log.info({}, 'the passwords can be sealed again and are kept on this device');
    isSealerAway = false;
    known = { text, sealed };
    keep({ document, sha256, sealed });
  }

  /** Opens the passwords, and hands them on when that is done. @returns when it was tried once */
  function open(sealed: string, take: (passwords: JsonObject) => void): Promise<void> {
    const { signal } = tryAnew();
    return new Promise((resolve) => {
      let hasFailed = false;
      const opening = persist(
        async () => {
          const text = await sealer.open(sealed);
          return { text, passwords: parsePasswords(text) };
        },
        (error) => {
          if (hasFailed) return;
          hasFailed = true;
          log.warn({ err: error }, 'the passwords kept on this device cannot be opened');
          take({});
          resolve();
        },
        clock,
        signal,
      );
      void opening.then((opened) => {
        if (opened === undefined) return;
        known = { text: opened.text, sealed };
        if (hasFailed) log.info({}, 'the passwords kept on this device are opened');
        take(opened.passwords);
        resolve();
      });
    });
  }

  function tryAnew(): AbortController {
    trying.abort();
    trying = new AbortController();
    return trying;
  }

  function keep(kept: Memory['desired']): void {
    desired = kept;
    wake.ring();
  }

  /** @returns whether it was done before the patience ended */
  async function isInTime(work: Promise<unknown>, patienceMs = PATIENCE_MS): Promise<boolean> {
    const limit = new AbortController();
    const late = clock.sleep(patienceMs, limit.signal).then(() => false);
    const isDone = await Promise.race([work.then(() => true), late]);
    limit.abort();
    return isDone;
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

  /** @returns the desired properties to hand over */
  function takeMemory(memory: Memory): Memory['desired'] {
    for (const reference of memory.owned) {
      if (!book.owned.has(reference)) book.owned.set(reference, memory.ownedAs?.[reference] ?? '');
    }
    for (const [reference, claim] of Object.entries(memory.claimed)) book.inherited.set(reference, claim);
    // Where it came late others may be in force by now, with records of their own.
    if (book.desired !== undefined) return undefined;
    for (const [name, image] of Object.entries(memory.images)) {
      book.images.set(name, { ...image, checkedGeneration: -1, checkFailures: 0 });
    }
    if (memory.heard !== undefined) herald.heard = memory.heard;
    desired = memory.desired;
    return desired;
  }

  async function handOver(
    { document: clear, sha256, sealed }: NonNullable<Memory['desired']>,
    take: (recalled: Recalled) => void,
  ): Promise<void> {
    const takePasswords = (passwords: JsonObject): void => {
      const { document, unknown } = joinSecrets(clear, passwords);
      take({ document, sha256, withoutPasswords: unknown });
    };
    if (sealed === undefined) takePasswords({});
    else await open(sealed, takePasswords);
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
    get isReading() {
      return isReading;
    },
    async saveNow() {
      await isInTime(saveInTurn());
    },
    async recall(take) {
      const reading = read().then((memory) => memory && takeMemory(memory));
      // What is not known yet must not be written over.
      saving = reading;
      const recalled = reading.then((kept) => kept && handOver(kept, take));
      void isInTime(recalled, READING_MS).then(() => {
        isReading = false;
        deps.onRead();
      });
      if (await isInTime(reading)) return recalled;
      log.warn({}, 'the storage folder does not answer; the module starts without what was remembered');
      void reading.then(() => log.info({}, 'the storage folder answers again'));
      return undefined;
    },
    keepDesired(document, sha256) {
      const { document: clear, passwords } = splitSecrets(document);
      const text = toSortedJson(passwords);
      if (text !== known?.text) {
        void seal(clear, sha256, text);
        return;
      }
      tryAnew();
      keep({ document: clear, sha256, sealed: known.sealed });
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

/** @throws without the parser's own words, which would quote what was opened */
function parsePasswords(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    throw new Error('what was opened is not what was sealed');
  }
}
