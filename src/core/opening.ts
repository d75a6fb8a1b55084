/**
 * How a registry is begun with. A fleet is told at once, and would ask at once for all that each device may ask for at a
 * time. So the first question after the desired properties changed goes alone: the others follow when it is answered. A
 * registry that is at rest answers in milliseconds; one that is asked by a whole fleet lets the others come as it answers.
 */

/** By the address of a registry: until when its first question goes alone (milliseconds since 1970); {@link OPEN} when it was answered. */
export type Openings = ReadonlyMap<string, number>;

/** The registry has answered. */
export const OPEN = 0;

/** An image that is not answered for keeps the others waiting for no longer; devices differ, so that a registry that is slow is not asked by all again. */
const LEAST_MS = 2000;
const SPREAD_MS = 8000;

/** Until when a question that is asked now goes alone. @param random - in [0, 1) */
export function toAloneUntilMs(nowMs: number, random: number): number {
  return nowMs + LEAST_MS + Math.round(SPREAD_MS * random);
}

/** Tells whether a registry may be asked one more question; the first one for a registry that was not asked is counted. */
export function createDoor(openings: Openings, nowMs: number): (address: string) => boolean {
  const begun = new Set<string>();
  return (address) => {
    const aloneUntilMs = openings.get(address);
    if (aloneUntilMs !== undefined) return aloneUntilMs <= nowMs;
    if (begun.has(address)) return false;
    begun.add(address);
    return true;
  };
}
