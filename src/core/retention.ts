import { findNamed, toNames } from '#core/presence';
import type { Action, World } from '#core/world';

/**
 * Names that this module pulled and the engine still has, of images that no listed entry shares any more: what
 * `unlisted: remove` takes away. Empty where images are kept.
 */
export function toUnlisted({ desired, owned, engine, running }: World): readonly string[] {
  if (desired.settings.unlisted !== 'remove' || owned.size === 0 || engine.kind === 'unavailable') return [];
  // An entry at fault may stand for anything: until it is corrected, nothing is taken away.
  if (desired.faults.some(({ path }) => path.startsWith('images'))) return [];
  const { index } = engine;
  const listedIds = new Set<string>();
  for (const image of desired.images.values()) {
    if (image.kind === 'fault') return [];
    for (const name of toNames(image.spec)) {
      const id = index.byName.get(name)?.id;
      if (id !== undefined) listedIds.add(id);
    }
  }
  return [...owned.keys()].filter((name) => {
    const id = findNamed(name, index)?.id;
    return id !== undefined && !listedIds.has(id) && !running.refusals.has(name);
  });
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
