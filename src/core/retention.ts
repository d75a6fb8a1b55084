import { toNames } from '#core/presence';
import type { Action, World } from '#core/world';

/**
 * Names that this module pulled and the engine still has, of images that no listed entry shares any more: what
 * `unlisted: remove` takes away. Empty where images are kept.
 */
export function toUnlisted({ desired, owned, engine, running }: World): readonly string[] {
  if (desired.settings.unlisted !== 'remove' || owned.size === 0 || engine.kind === 'unavailable') return [];
  // An entry at fault may stand for anything: until it is corrected, nothing is taken away.
  if (desired.faults.some(({ path }) => path.startsWith('images'))) return [];
  const { byName } = engine.index;
  const listedIds = new Set<string>();
  for (const image of desired.images.values()) {
    if (image.kind === 'fault') return [];
    for (const name of toNames(image.spec)) {
      const id = byName.get(name)?.id;
      if (id !== undefined) listedIds.add(id);
    }
  }
  return [...owned.keys()].filter((name) => {
    const id = byName.get(name)?.id;
    return id !== undefined && !listedIds.has(id) && !running.removals.has(name);
  });
}

/** Removals of unlisted images that no container, running or not, uses; none while that is not known. */
export function planRemovals(world: World): Action[] {
  const { engine } = world;
  if (engine.kind === 'unavailable' || engine.idsInUse === undefined) return [];
  const idsInUse = engine.idsInUse;
  return toUnlisted(world).flatMap((reference) => {
    const id = engine.index.byName.get(reference)?.id;
    return id === undefined || idsInUse.has(id) ? [] : [{ kind: 'remove', reference }];
  });
}
