import { EntryFault, resolveImage } from '#contract/desired-references';
import { toRegistries } from '#contract/desired-registries';
import { PayloadError } from '#contract/methods';
import type { DesiredState } from '#core/desired-state';
import { toNames } from '#core/presence';

/** What the words of `RemoveImages` are read against. */
export interface RemovalContext {
  readonly desired: DesiredState | undefined;
  readonly owned: ReadonlyMap<string, string>;
  readonly parentHostName: string | undefined;
}

/**
 * The references that each word means: all that were listed under it, where it is the name of an image that this module
 * pulled; else itself, as a reference in the manner of `images`. Those with a tag come first.
 *
 * @throws PayloadError
 */
export function toRemovals(
  words: readonly string[],
  context: RemovalContext,
): ReadonlyMap<string, readonly string[]> {
  return new Map(words.map((word, index) => [word, toReferences(word, index, context)]));
}

function toReferences(
  word: string,
  index: number,
  { desired, owned, parentHostName }: RemovalContext,
): string[] {
  if (desired?.images.has(word) === true) return [];
  const named = [...owned].filter(([, name]) => name === word).map(([reference]) => reference);
  if (named.length > 0) return named.toSorted((a, b) => Number(a.includes('@')) - Number(b.includes('@')));
  try {
    const { reference } = resolveImage(
      { image: word },
      { registries: toRegistries(desired), parentHostName },
    );
    return [...toNames({ reference, tagAs: [] })];
  } catch (error) {
    if (!(error instanceof EntryFault)) throw error;
    const [problem] = error.problems;
    throw new PayloadError(`images.${index}: ${problem?.message ?? error.message}`);
  }
}
