/** Where it has no factor in common with how many they are, everybody begins a round once. */
const STEP = 5;

/**
 * The order of turns in a round, from 0. What a turn finds depends on the one before: each round begins elsewhere, and every
 * other one runs backwards, so that nobody always follows the same one.
 */
export function toOrder<T>(contenders: readonly T[], round: number): T[] {
  const from = (round * STEP) % contenders.length;
  const order = [...contenders.slice(from), ...contenders.slice(0, from)];
  return round % 2 === 0 ? order : order.reverse();
}
