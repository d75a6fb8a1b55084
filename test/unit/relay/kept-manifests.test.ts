import { expect, it } from 'vitest';
import { createKeptManifests } from '#relay/kept-manifests';

const toManifest = (digest: string, sizeBytes = 20) => ({
  digest,
  mediaType: 'x',
  bytes: new Uint8Array(sizeBytes),
});

it('the manifest that was asked for longest ago goes first, and a large one is not kept', () => {
  const kept = createKeptManifests(100).of('plant:5000/app');
  for (const name of 'abcde') kept.add(toManifest(name));
  expect(kept.get('a')?.bytes).toHaveLength(20);
  kept.add(toManifest('f'));
  kept.add(toManifest('large', 26));
  expect(
    ['a', 'b', 'c', 'd', 'e', 'f', 'large'].filter((name) => kept.get(name) !== undefined).join(''),
  ).toBe('acdef');
});

it('one that is added again counts once', () => {
  const kept = createKeptManifests(100).of('plant:5000/app');
  for (let turn = 0; turn < 9; turn += 1) kept.add(toManifest('a'));
  for (const name of 'bcde') kept.add(toManifest(name));
  expect(['a', 'b', 'c', 'd', 'e'].filter((name) => kept.get(name) !== undefined).join('')).toBe('abcde');
});

it('what one repository served is not taken for another’s', () => {
  const kept = createKeptManifests(100);
  kept.of('plant:5000/app').add(toManifest('a'));
  expect(kept.of('plant:5000/app').get('a')).toBeDefined();
  expect(kept.of('plant:5000/other').get('a')).toBeUndefined();
});
