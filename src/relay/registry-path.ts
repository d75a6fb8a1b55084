/** What a path of a registry's API asks for. */
export type Target =
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'manifest' | 'blob';
      /** As it was handed out: 32 hexadecimal digits. */
      readonly name: string;
      /** A digest; or, of a manifest, a tag. */
      readonly what: string;
    };

const DIGEST = 'sha256:[0-9a-f]{64}';
const TARGET = new RegExp(
  `^/v2/([0-9a-f]{32})/(?:manifests/(${DIGEST}|\\w[\\w.-]{0,127})|blobs/(${DIGEST}))$`,
);

/**
 * Reads the target of a request, letter by letter: nothing is decoded, and no part of it is ever a path of something
 * else. A query is left out, some clients add one.
 *
 * @returns undefined for anything but the pull half of the API
 */
export function parseTarget(url: string): Target | undefined {
  const [path = ''] = url.split('?', 1);
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' };
  const [, name, manifest, blob] = TARGET.exec(path) ?? [];
  if (name === undefined) return undefined;
  return manifest === undefined
    ? { kind: 'blob', name, what: blob ?? '' }
    : { kind: 'manifest', name, what: manifest };
}
