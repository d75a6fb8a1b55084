import { findNamed, toNames } from '#core/presence';
import type { Action, World } from '#core/world';

/**
 * Names that this module pulled and the engine still has, of images that no listed entry shares any more: what
 * `unlisted: remove` takes away. Empty where images are kept.
 */
export function toUnlisted({ desired, owned, claimed, engine, running }: World): readonly string[] {
  if (desired.settings.unlisted !== 'remove' || owned.size === 0 || engine.kind === 'unavailable') return [];
  // An entry at fault may stand for anything: until it is corrected, nothing is taken away.
  if (desired.misnamedImages.length > 0) return [];
  const { index } = engine;
  const neededIds = new Set<string>();
  for (const image of desired.images.values()) {
    if (image.kind === 'fault') return [];
    for (const name of toNames(image.spec)) {
      const id = index.byName.get(name)?.id;
      if (id !== undefined) neededIds.add(id);
    }
  }
  // A pull that turns out to be in vain gives the reference back to the image that had it.
  for (const { idBefore } of claimed.values()) neededIds.add(idBefore);
  return [...owned.keys()].filter((name) => {
    const id = findNamed(name, index)?.id;
    return id !== undefined && !neededIds.has(id) && !running.refusals.has(name);
  });
}

/** A name that an image has while it is pulled through the relay: nobody else makes one like it. */
const RELAY_NAME = /^127\.0\.0\.1:\d+\/[0-9a-f]{32}@(sha256:[0-9a-f]{64})$/;

/** Whether a name was made by the relay. */
export const isRelayName = (name: string): boolean => RELAY_NAME.test(name);

/**
 * The next name to take away that an image had for the relay and kept, since the module was killed in mid-pull. One whose
 * image may still be wanted stays until that has its real name: with it would go what was fetched.
 *
 * @param isHere - whether a desired image stands in the engine
 */
export function planRelayNames(
  { engine, running, images, contents }: World,
  isHere: (name: string) => boolean,
): Action[] {
  if (engine.kind === 'unavailable' || running.removals.size > 0) return [];
  if ([...running.pulls.values()].some(({ transport }) => transport === 'relay')) return [];
  const wanted = new Set<string | undefined>();
  for (const [name, { failure }] of images) {
    if (isHere(name)) continue;
    // What it holds is about to be asked; one that failed is not waited for.
    if (failure === undefined && !contents.has(name)) return [];
    wanted.add(contents.get(name)?.content.digest);
  }
  for (const name of engine.index.byName.keys()) {
    const [, digest] = name.startsWith('127.0.0.1:') ? (RELAY_NAME.exec(name) ?? []) : [];
    const isLeft = digest !== undefined && !wanted.has(digest) && !running.refusals.has(name);
    if (isLeft) return [{ kind: 'remove', reference: name }];
  }
  return [];
}

/**
 * The next removal of an unlisted image that no container, running or not, uses; none while that is not known.
 *
 * One name goes at a time. Docker looks which names an image has left before it takes the last ones: where two are
 * removed at once it may keep an image without any, for ever. A name that is being given may appear after its removal.
 */
export function planRemovals(world: World): Action[] {
  const { engine, running } = world;
  if (engine.kind === 'unavailable' || engine.idsInUse === undefined) return [];
  if (running.removals.size > 0 || running.tags.size > 0) return [];
  const { idsInUse, index } = engine;
  const next = toUnlisted(world).find((reference) => {
    const id = findNamed(reference, index)?.id;
    return id !== undefined && !idsInUse.has(id);
  });
  return next === undefined ? [] : [{ kind: 'remove', reference: next }];
}
