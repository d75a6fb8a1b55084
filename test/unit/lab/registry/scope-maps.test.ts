import { describe, expect, it } from 'vitest';
import { grantScope, isAllowed, toRequestedScopes } from '#lab/registry/scope-maps';

describe('isAllowed', () => {
  it.each([
    ['repositories/hello-world/content/read', 'hello-world', true],
    ['repositories/hello-world/content/read', 'hello-world-2', false],
    ['repositories/hello-world/content/write', 'hello-world', false],
    ['repositories/hello-world/metadata/read', 'hello-world', false],
    ['repositories/samples/*/content/read', 'samples/app', true],
    ['repositories/samples/*/content/read', 'samples/deep/app', true],
    ['repositories/samples/*/content/read', 'samples', false],
    ['repositories/samples/*/content/read', 'samples2/app', false],
    ['repositories/*/content/read', 'any/thing', true],
    ['gateway/line1/config/read', 'line1', false],
  ])('with %s and the repository %s is %s', (action, repository, expected) => {
    expect(isAllowed([action], repository, 'content/read')).toBe(expected);
  });

  it('needs one action of many', () => {
    const actions = ['repositories/a/content/read', 'repositories/b/content/read'];

    expect(isAllowed(actions, 'b', 'content/read')).toBe(true);
  });
});

describe('toRequestedScopes', () => {
  it('reads scopes in parameters of their own and between spaces', () => {
    expect(toRequestedScopes(['repository:a/b:pull,push repository:c:pull', 'registry:catalog:*'])).toEqual([
      { type: 'repository', name: 'a/b', actions: ['pull', 'push'] },
      { type: 'repository', name: 'c', actions: ['pull'] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
    ]);
  });

  it('passes over what is no scope', () => {
    expect(toRequestedScopes(['', 'repository', 'repository:a'])).toEqual([]);
  });
});

describe('grantScope', () => {
  const actions = [
    'repositories/a/content/read',
    'repositories/a/metadata/read',
    'repositories/b/content/read',
  ];

  it('leaves out the actions that the map does not allow', () => {
    const scope = { type: 'repository', name: 'a', actions: ['pull', 'push', 'metadata_read'] };

    expect(grantScope(actions, scope).actions).toEqual(['pull', 'metadata_read']);
  });

  it('keeps a scope of which nothing is allowed, without actions', () => {
    const scope = { type: 'repository', name: 'c', actions: ['pull'] };

    expect(grantScope(actions, scope)).toEqual({ ...scope, actions: [] });
  });

  it('opens the catalog to those who may read some metadata', () => {
    const scope = { type: 'registry', name: 'catalog', actions: ['*'] };

    expect(grantScope(actions, scope).actions).toEqual(['*']);
    expect(grantScope(['repositories/a/content/read'], scope).actions).toEqual([]);
  });
});
