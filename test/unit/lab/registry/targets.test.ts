import { expect, it } from 'vitest';
import { toTarget } from '#lab/registry/targets';

it.each([
  ['/v2/', { kind: 'ping' }],
  ['/v2', { kind: 'ping' }],
  ['/acr/oauth2/token', { kind: 'token' }],
  ['/v2/_catalog', { kind: 'catalog' }],
  ['/v2/a/manifests/1', { kind: 'manifest', repository: 'a', reference: '1' }],
  ['/v2/a/b/manifests/sha256:00', { kind: 'manifest', repository: 'a/b', reference: 'sha256:00' }],
  ['/v2/manifests/manifests/1', { kind: 'manifest', repository: 'manifests', reference: '1' }],
  ['/v2/a/blobs/sha256:00', { kind: 'blob', repository: 'a', digest: 'sha256:00' }],
  ['/v2/a/tags/list', { kind: 'tags', repository: 'a' }],
  ['/v2/a/blobs/uploads/', { kind: 'other' }],
  ['/favicon.ico', { kind: 'other' }],
])('%s is %o', (path, target) => {
  expect(toTarget(path)).toEqual(target);
});
