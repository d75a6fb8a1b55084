import type { Hub, OutputMessage, TwinDocument } from '#agent/ports';
import { applyPatch, joinPatches } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';

/** A hub in memory: the test sets what is desired and reads what was reported. */
export interface FakeHub extends Hub {
  /** Every patch that was taken, in order. */
  readonly patches: readonly JsonObject[];
  /** Every message that was taken, in order, with its output. */
  readonly sent: readonly (OutputMessage & { readonly output: string })[];
  /** What the patches add up to in IoT Hub, which the twin that is fetched shows. */
  readonly reported: JsonObject;
  /** The desired properties that were fetched last. */
  readonly desired: JsonObject;
  /** Whether reports and messages are refused, as when an answer does not come. */
  refuses: boolean;
  /** Whether edgeHub keeps what it takes from IoT Hub, as it does for some seconds; it passes it on when that ends. */
  holdsBack: boolean;
  /**
   * Replaces the desired properties and has the module fetch them, now or when it is connected again. `$version` counts
   * up unless it is given.
   */
  setDesired(desired: JsonObject): void;
  /** Has the module fetch a twin as it is given, whatever it is. */
  serve(twin: { readonly desired: JsonObject; readonly reported?: JsonObject }): void;
  disconnect(): void;
  connect(): void;
  /** What another process finds: no connection, and nothing fetched. IoT Hub and edgeHub keep what they have. */
  forget(): void;
}

/** Makes a hub that is connected and has an empty twin that was not fetched yet. */
export function createFakeHub(): FakeHub {
  const listeners: (() => void)[] = [];
  const patches: JsonObject[] = [];
  const sent: (OutputMessage & { readonly output: string })[] = [];
  let desired: JsonObject = {};
  let reported: JsonObject = {};
  /** What edgeHub took and IoT Hub does not know. */
  let pending: JsonObject = {};
  let holdsBack = false;
  let twin: TwinDocument | undefined;
  let isConnected = true;
  let connection = 1;
  let version = 0;
  let fetch = 0;

  function take(): void {
    fetch += 1;
    twin = { desired, reported, fetch, connection };
    for (const listener of listeners) listener();
  }

  function passOn(): void {
    reported = applyPatch(reported, pending);
    pending = {};
  }

  const hub: FakeHub = {
    refuses: false,
    get holdsBack() {
      return holdsBack;
    },
    set holdsBack(isHeld) {
      holdsBack = isHeld;
      if (!isHeld) passOn();
    },
    patches,
    sent,
    get reported() {
      return reported;
    },
    get desired() {
      return (twin?.desired ?? {}) as JsonObject;
    },
    get twin() {
      return twin;
    },
    get isConnected() {
      return isConnected;
    },
    onChange(listener) {
      listeners.push(listener);
    },
    async report(patch) {
      if (!isConnected) throw new Error('not connected');
      if (hub.refuses) throw new Error('report: no answer');
      patches.push(patch as JsonObject);
      pending = joinPatches(pending, patch as JsonObject);
      if (!holdsBack) passOn();
    },
    async send(output, message) {
      if (!isConnected) throw new Error('not connected');
      if (hub.refuses) throw new Error('event: no answer');
      sent.push({ output, ...message });
    },
    async run(signal) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
    setDesired(wanted) {
      version += 1;
      desired = { $version: version, ...wanted };
      if (isConnected) take();
    },
    serve(served) {
      desired = served.desired;
      reported = served.reported ?? reported;
      take();
    },
    disconnect() {
      isConnected = false;
      for (const listener of listeners) listener();
    },
    forget() {
      isConnected = false;
      twin = undefined;
    },
    connect() {
      isConnected = true;
      connection += 1;
      take();
    },
  };
  return hub;
}
