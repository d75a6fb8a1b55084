import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults } from './faults.ts';
import type { Twin } from './twin.ts';

/** What {@link createSync} takes. */
export interface SyncOptions {
  readonly twin: Pick<Twin, 'synchronise'>;
  readonly faults: Readonly<Pick<Faults, 'upstreamAway' | 'syncDelayMs'>>;
  /** IoT Hub was told something. */
  readonly onSynchronised: () => void;
  /** Ends the delays. */
  readonly signal: AbortSignal;
  /** Default: that of Node. */
  readonly sleep?: (delayMs: number, value: undefined, options: { signal: AbortSignal }) => Promise<unknown>;
}

/**
 * Passes up what edgeHub has stored, at edgeHub's pace: the first at once, and what comes within the delay after one has
 * gone together.
 * @returns to be called when there may be something
 */
export function createSync(options: SyncOptions): () => void {
  const { twin, faults, onSynchronised, signal } = options;
  const wait = options.sleep ?? sleep;
  let resting: symbol | undefined;

  async function rest(): Promise<void> {
    const own = Symbol('rest');
    resting = own;
    await wait(faults.syncDelayMs, undefined, { signal });
    if (resting !== own) return;
    resting = undefined;
    look();
  }

  function look(): void {
    if (faults.upstreamAway || (resting !== undefined && faults.syncDelayMs > 0)) return;
    resting = undefined;
    if (!twin.synchronise()) return;
    onSynchronised();
    // It can fail when everything ends.
    if (faults.syncDelayMs > 0) rest().catch(() => {});
  }

  return look;
}
