import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatReference, parseReference } from '#core/reference';
import { hostileDocument, imageOf, PLANT, stateOf } from './documents.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const ONE = { plant: PLANT };
const TWO = { hub: { address: 'contoso.azurecr.io' }, plant: PLANT };

describe('an image’s reference', () => {
  it.each([
    ['hello-world', ONE, '127.0.0.1:8000/hello-world:latest', 'plant'],
    ['acme/camera:1.4', ONE, '127.0.0.1:8000/acme/camera:1.4', 'plant'],
    [`acme/camera@${DIGEST}`, ONE, `127.0.0.1:8000/acme/camera@${DIGEST}`, 'plant'],
    [`acme/camera:1.4@${DIGEST}`, ONE, `127.0.0.1:8000/acme/camera:1.4@${DIGEST}`, 'plant'],
    [{ image: 'acme/camera', registry: 'hub' }, TWO, 'contoso.azurecr.io/acme/camera:latest', 'hub'],
    ['contoso.azurecr.io/acme/camera:1', TWO, 'contoso.azurecr.io/acme/camera:1', 'hub'],
    [{ image: '127.0.0.1:8000/a', registry: 'plant' }, TWO, '127.0.0.1:8000/a:latest', 'plant'],
    ['localhost/acme/camera', ONE, 'localhost/acme/camera:latest', undefined],
    ['127.0.0.1:5000/acme/camera', {}, '127.0.0.1:5000/acme/camera:latest', undefined],
    ['127.0.0.1/acme/camera', ONE, '127.0.0.1/acme/camera:latest', undefined],
    ['docker.io/library/hello-world', ONE, 'docker.io/library/hello-world:latest', undefined],
    ['index.docker.io/hello-world', ONE, 'docker.io/library/hello-world:latest', undefined],
    ['library/app', { hub: { address: 'index.docker.io' } }, 'docker.io/library/app:latest', 'hub'],
  ])(
    '%j is resolved by Docker’s rule and the listed registries',
    (entry, registries, reference, registry) => {
      const image = imageOf(entry, registries);
      if (image.kind === 'fault') throw new Error(image.message);
      expect(formatReference(image.spec.reference)).toBe(reference);
      expect(image.spec.registry).toBe(registry);
    },
  );

  it('has the parent where $upstream stands, with the credentials listed for it', () => {
    const registries = { parent: { address: '$upstream:8000' }, plant: PLANT };
    const image = imageOf('$upstream:8000/acme/camera:1', registries, 'parent.local');
    expect(image).toMatchObject({
      spec: { registry: 'parent', reference: { registry: 'parent.local:8000', tag: '1' } },
    });
  });

  it.each([
    ['a bare name among several registries', 'acme/camera', TWO, 'names no registry'],
    ['a bare name without any registry', 'hello-world', {}, 'never looked for at Docker Hub'],
    [
      'a registry that is not listed',
      { image: 'a', registry: 'nope' },
      ONE,
      '.registry: registryCredentials.nope does not exist',
    ],
    [
      'a full reference and a registry that is not listed',
      { image: 'x.io/a', registry: 'nope' },
      ONE,
      'does not exist',
    ],
    [
      'a registry at fault',
      { image: 'a', registry: 'bad' },
      { ...ONE, bad: {} },
      'registryCredentials.bad, which is at fault',
    ],
    ['the only registry at fault', 'a', { bad: {} }, 'registryCredentials.bad, which is at fault'],
    [
      'the address of a registry at fault',
      'x.io/a',
      { bad: { address: 'x.io', username: 'a' } },
      'bad, which is at fault',
    ],
    ['$upstream without a parent', '$upstream:8000/a', ONE, '$upstream stands for the parent'],
  ])('is an UnknownRegistry with %s', (_, entry, registries, message) => {
    expect(imageOf(entry, registries)).toMatchObject({
      kind: 'fault',
      reason: 'UnknownRegistry',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['a number', 7, 'images.camera: must be an image reference'],
    ['a list', ['a'], 'images.camera: must be an image reference'],
    ['empty', '', 'images.camera: must be an image reference'],
    ['an object without image', {}, 'images.camera.image: must be an image reference'],
    ['upper-case', 'Acme/camera', 'images.camera: the repository "Acme/camera" must be lower-case'],
    ['a URL', { image: 'https://x.io/a' }, 'images.camera.image: "https:" is not a registry address'],
    ['with a short digest', 'a@sha256:12', 'images.camera: the digest must be'],
    ['with spaces', ' a', 'images.camera: " a" is not a repository'],
    [
      'with a registry that has another address',
      { image: 'x.io/a', registry: 'plant' },
      'registry: names plant (127.0.0.1:8000), but',
    ],
    [
      'with a parent that Docker takes for a user',
      '$upstream/a',
      'images.camera: vm1 is not a registry to Docker',
    ],
    ['too long with its registry', 'a'.repeat(250), 'images.camera: registry and repository are longer'],
  ])('is an InvalidImage where it is %s', (_, entry, message) => {
    expect(imageOf(entry, ONE, 'vm1')).toMatchObject({
      kind: 'fault',
      reason: 'InvalidImage',
      message: expect.stringContaining(message),
    });
  });

  it('is shown as written where it is at fault, without the user name of a URL', () => {
    expect(imageOf('Acme/Camera')).toMatchObject({ image: 'Acme/Camera' });
    expect(imageOf({ image: 'https://user:word@x.io/a' })).toMatchObject({ image: '[secret]@x.io/a' });
    expect(imageOf('user:word@x.io/a')).toMatchObject({ image: '[secret]@x.io/a' });
    expect(imageOf('A'.repeat(9999))).toMatchObject({ image: `${'A'.repeat(255)}…` });
    expect(imageOf({ image: 7 })).not.toHaveProperty('image');
  });

  it('is never one that Docker would look for at Docker Hub', () => {
    fc.assert(
      fc.property(
        hostileDocument.document,
        fc.constantFrom('vm1', 'parent.local', undefined),
        (document, parentHostName) => {
          if (typeof document['images'] !== 'object' || Array.isArray(document['images'])) return;
          const images = document['images'] ?? {};
          for (const image of stateOf(
            { images, registryCredentials: ONE },
            { parentHostName },
          ).images.values()) {
            if (image.kind === 'fault') continue;
            for (const reference of [image.spec.reference, ...image.spec.tagAs]) {
              expect(parseReference(formatReference(reference))).toEqual(reference);
              expect(reference.tag ?? reference.digest).toBeDefined();
            }
          }
        },
      ),
    );
  });
});
