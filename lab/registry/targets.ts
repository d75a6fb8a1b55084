/** What a request is about. */
export type Target =
  | { readonly kind: 'token' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'other' };

/** Where the connected registry hands out tokens. */
export const TOKEN_PATH = '/acr/oauth2/token';

/**
 * What a path (without its query) is about.
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints
 */
export function toTarget(path: string): Target {
  if (path === TOKEN_PATH) return { kind: 'token' };
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  const [, repository = '', kind, rest = ''] =
    /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(path) ?? [];
  if (kind === 'manifests') return { kind: 'manifest', repository, reference: rest };
  if (kind === 'blobs') return { kind: 'blob', repository, digest: rest };
  if (kind === 'tags') return { kind: 'tags', repository };
  return { kind: 'other' };
}
