import { expect, it } from 'vitest';
import { parseImage, readJson, readObject } from '#lab/cli/arguments';

it('makes an image of the layers that are named', () => {
  expect(parseImage('acme/mine:1', ['os:12', 'mine:0.5'])).toMatchObject({
    image: 'acme/mine:1',
    layers: [
      { seed: 'os', megabytes: 12 },
      { seed: 'mine', megabytes: 0.5 },
    ],
  });
});

it('makes the very image of the catalogue when only its name is given', () => {
  expect(parseImage('acme/camera:1.4', []).layers.map(({ seed }) => seed)).toEqual([
    'os',
    'runtime',
    'camera',
  ]);
});

it.each(['os', 'os:', ':12', 'os:0', 'os:-1', 'os:9000', 'a b:1'])('refuses %s as a layer', (layer) => {
  expect(() => parseImage('acme/mine:1', [layer])).toThrow('a layer is name:MB');
});

it('says of an argument that is no JSON, no file or no object what was expected', async () => {
  await expect(readJson('{"a"')).rejects.toThrow('not JSON');
  await expect(readJson('@/nowhere/twin.json')).rejects.toThrow('cannot read /nowhere/twin.json');
  await expect(readObject('[1]')).rejects.toThrow('desired properties are a JSON object');
});
