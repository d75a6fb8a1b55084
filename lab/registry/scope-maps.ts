/** What a client may do to a repository, in the words of a scope map. */
export type Permission = `content/${'read' | 'write' | 'delete'}` | `metadata/${'read' | 'write'}`;

/** What is asked for in a token request: `type:name:action,action`. */
export interface RequestedScope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** A scope as a token carries it; no actions when all were refused. */
export type GrantedScope = RequestedScope;

const PERMISSIONS: Readonly<Record<string, Permission>> = {
  pull: 'content/read',
  push: 'content/write',
  delete: 'content/delete',
  metadata_read: 'metadata/read',
  metadata_write: 'metadata/write',
};

/**
 * Whether a scope map's actions (`repositories/<repository>/content/read`) allow it. The repository in an action may end
 * with the segment `*`, which stands for all below.
 * @see https://learn.microsoft.com/azure/container-registry/container-registry-token-based-repository-permissions
 */
export function isAllowed(actions: readonly string[], repository: string, permission: Permission): boolean {
  return actions.some((action) => {
    const pattern = /^repositories\/(.+)\/((?:content|metadata)\/[a-z]+)$/.exec(action);
    if (pattern?.[2] !== permission) return false;
    const name = pattern[1] ?? '';
    const isWildcard = name === '*' || name.endsWith('/*');
    return isWildcard ? repository.startsWith(name.slice(0, -1)) : name === repository;
  });
}

/** Reads the `scope` parameters of a token request, each with any number of scopes between spaces. */
export function toRequestedScopes(parameters: readonly string[]): RequestedScope[] {
  return parameters
    .flatMap((parameter) => parameter.split(' '))
    .flatMap((scope) => {
      const [, type, name, actions] = /^([^:]+):(.+):([^:]*)$/.exec(scope) ?? [];
      if (type === undefined || name === undefined || actions === undefined) return [];
      return [{ type, name, actions: actions.split(',').filter((action) => action !== '') }];
    });
}

/** What of a requested scope the actions of a scope map allow. The catalog needs a right to read any metadata. */
export function grantScope(actions: readonly string[], scope: RequestedScope): GrantedScope {
  if (scope.type === 'registry') {
    const isGranted = scope.name === 'catalog' && actions.some((action) => action.endsWith('/metadata/read'));
    return { ...scope, actions: isGranted ? scope.actions : [] };
  }
  const granted = scope.actions.filter((action) => {
    const permission = PERMISSIONS[action];
    return permission !== undefined && isAllowed(actions, scope.name, permission);
  });
  return { ...scope, actions: granted };
}
