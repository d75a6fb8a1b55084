import type { Plant } from './plant.ts';
import type { Screen } from './screen.ts';

/** What every act of the demo plays on. */
export interface Stage extends Plant {
  readonly screen: Screen;
  /** Ends the demo. */
  readonly signal: AbortSignal;
}

/**
 * Ticks off what was seen.
 * @throws when it was not
 */
export function see(screen: Screen, isSeen: boolean, what: string): void {
  if (!isSeen) throw new Error(`not seen: ${what}`);
  screen.tick(what);
}
