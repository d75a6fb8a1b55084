import { describe, expect, it } from 'vitest';

import { imageOf, PLANT, stateOf } from './documents.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const ONE = { plant: PLANT };
const TWO = { hub: { address: 'contoso.azurecr.io' }, plant: PLANT };

describe('an image entry', () => {
  it('has the documented defaults', () => {
    expect(imageOf('a:1')).toEqual({
      kind: 'image',
      name: 'camera',
      spec: {
        reference: { registry: '127.0.0.1:8000', repository: 'a', tag: '1' },
        registry: 'plant',
        pullPolicy: 'always',
        tagAs: [],
        priority: 0,
      },
    });
  });

  it('takes everything that the contract names', () => {
    const entry = {
      image: 'acme/camera:1.4',
      registry: 'plant',
      platform: 'linux/arm64/v8',
      pullPolicy: 'if-not-present',
      tagAs: ['contoso.azurecr.io/acme/camera:1.4', '$upstream:8000/camera:1'],
      priority: -100,
      pullRequest: 3.5,
    };
    expect(imageOf(entry, TWO, 'vm1')).toMatchObject({
      spec: {
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
        pullPolicy: 'if-not-present',
        tagAs: [
          { registry: 'contoso.azurecr.io', repository: 'acme/camera', tag: '1.4' },
          { registry: 'vm1:8000', repository: 'camera', tag: '1' },
        ],
        priority: -100,
        pullRequest: 3.5,
      },
    });
  });

  it.each([
    ['platform', 'arm64', 'platform: must be os/architecture'],
    ['platform', 'linux/', 'platform: must be os/architecture'],
    ['pullPolicy', 'Always', 'pullPolicy: must be always or if-not-present'],
    ['priority', 101, 'priority: must be a whole number from -100 to 100'],
    ['priority', 0.5, 'priority: must be a whole number from -100 to 100'],
    ['pullRequest', '3', 'pullRequest: must be a number'],
    ['registry', 1, 'registry: must be the name'],
    ['tagAs', 'contoso.azurecr.io/a:1', 'tagAs: must be a list'],
    ['tagAs', ['x.io/a:1', 'a:1'], 'tagAs.1: must name its registry'],
    ['tagAs', ['x.io/a'], 'tagAs.0: must have a tag'],
    ['tagAs', [`x.io/a:1@${DIGEST}`], 'tagAs.0: must have a tag alone'],
    ['tagAs', [null], 'tagAs.0: must be a reference'],
    ['tagAs', ['x.io/A:1'], 'tagAs.0: the repository "A" must be lower-case'],
  ])('is at fault where its %s is %j', (name, value, message) => {
    expect(imageOf({ image: 'a:1', [name]: value })).toMatchObject({
      kind: 'fault',
      reason: 'InvalidImage',
      message: expect.stringContaining(`images.camera.${message}`),
      image: 'a:1',
    });
  });

  it('is left out, and named, where its name breaks the rule', () => {
    const names = ['a.b', 'a b', '', 'x'.repeat(65), 'a#', '__proto__'];
    const images = JSON.parse(
      `{${names.map((name) => `${JSON.stringify(name)}:"a:1"`).join()},"ok":"a:1"}`,
    ) as object;
    const state = stateOf({ registryCredentials: ONE, images });
    expect([...state.images.keys()]).toEqual(['ok']);
    expect(state.faults).toHaveLength(names.length);
    expect(state.faults[0]?.message).toMatch(/left out, of the report too/);
  });

  it('may be named like a property of every object', () => {
    const images = { constructor: 'a:1', toString: 'b:1', hasOwnProperty: 7 };
    expect([...stateOf({ registryCredentials: ONE, images }).images.values()]).toMatchObject([
      { kind: 'image', name: 'constructor' },
      { kind: 'fault', name: 'hasOwnProperty' },
      { kind: 'image', name: 'toString' },
    ]);
  });
});
