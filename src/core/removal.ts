import type { DesiredState } from '#core/desired-state';
import { findNamed, toNames } from '#core/presence';
import type { ImageIndex } from '#core/presence';

/** What a removal is judged by. */
export interface RemovalScene {
  /** undefined: nothing is known of what is wanted. */
  readonly desired: DesiredState | undefined;
  /** References that this module pulled or tagged, and the name that each was listed under. */
  readonly owned: ReadonlyMap<string, string>;
  readonly index: ImageIndex;
  /** Ids of images that a container, running or not, was made from. */
  readonly idsInUse: ReadonlySet<string>;
}

/** Why a reference that was asked to be removed stays in the engine; undefined where nothing stands against it. */
export function findObstacle(reference: string, scene: RemovalScene): string | undefined {
  const { desired, owned, index, idsInUse } = scene;
  if (desired === undefined) return 'It is not known yet what is desired.';
  const image = findNamed(reference, index);
  if (image === undefined) return 'The engine does not have it.';
  if (!owned.has(reference)) return 'This module did not pull it.';
  if (idsInUse.has(image.id)) return 'A container uses it.';
  // An entry at fault may stand for anything until it is corrected.
  const [misnamed] = desired.misnamedImages;
  if (misnamed !== undefined) return `${misnamed} is at fault, and may mean it.`;
  for (const wanted of desired.images.values()) {
    if (wanted.kind === 'fault') return `images.${wanted.name} is at fault, and may mean it.`;
    if (toNames(wanted.spec).some((name) => index.byName.get(name)?.id === image.id)) {
      return `It is the same image as ${wanted.name}, which is desired.`;
    }
  }
  return undefined;
}

/** The name of a desired image that is meant by its name or by one of its references. */
export function findWanted(
  meant: string,
  references: readonly string[],
  desired: DesiredState | undefined,
): string | undefined {
  if (desired?.images.has(meant) === true) return meant;
  for (const image of desired?.images.values() ?? []) {
    if (image.kind === 'fault') continue;
    const names = toNames(image.spec);
    if (references.some((reference) => names.includes(reference))) return image.name;
  }
  return undefined;
}
