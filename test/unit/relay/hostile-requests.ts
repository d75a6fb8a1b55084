import fc from 'fast-check';

/** What stands in a conversation in the place of a live offer's name. */
export const NAME = 'NAME';

/** Mostly of the first, else of the second: what is wrong throughout is refused for its first fault alone. */
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: odd });

const METHOD = mostly(
  fc.constantFrom('GET', 'GET', 'HEAD'),
  fc.oneof(
    fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'PRI'),
    fc.string({ maxLength: 12 }),
  ),
);
const VERSION = mostly(fc.constant('HTTP/1.1'), fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9', ''));
const HEADER = mostly(
  fc.constantFrom(
    'Accept: */*',
    'Range: bytes=0-',
    'Range: bytes=-1,0-,5-4',
    'Range: bytes=10-20',
    'Range: bytes=99999999999999999999-',
    'If-Range: x',
    'Content-Length: 5',
    'Expect: 100-continue',
    'Connection: upgrade',
    'Upgrade: websocket',
    'Connection: close',
    'Transfer-Encoding: chunked',
    `Authorization: Basic ${btoa('edge-device:guess')}`,
  ),
  fc.oneof(
    fc.constantFrom(
      'Host: b',
      'Content-Length: -1',
      'Transfer-Encoding: identity, chunked',
      `X: ${'x'.repeat(10_000)}`,
    ),
    fc.string({ maxLength: 60 }),
  ),
);
const TRICK = fc.oneof(
  fc.constantFrom('..', '.', '', '%2e%2e', '%2f', '..%2f', '%00', '_catalog', 'group', 'app', 'v2', 'tags'),
  fc.string({ maxLength: 40 }),
);

export interface Targets {
  /** Below the name: `blobs/sha256:…`. */
  readonly offered: readonly string[];
  /** Digests and tags to ask for besides. */
  readonly others: readonly string[];
}

/**
 * What somebody sends on one connection: requests, most of them nearly right, one after the other or all at once, or mere
 * bytes.
 */
export function hostileConversations(targets: Targets): fc.Arbitrary<readonly (string | Uint8Array)[]> {
  const whats = [...targets.others, ...targets.offered.map((place) => place.split('/')[1] ?? '')];
  const what = mostly(fc.constantFrom(...whats), TRICK);
  const mixed = fc
    .tuple(fc.constantFrom('manifests', 'blobs'), what)
    .map(([kind, wanted]) => `${kind}/${wanted}`);
  const end = mostly(fc.constantFrom('', '?ns=a'), fc.constantFrom('#', '/', '/..', '%00'));
  const offered = fc
    .tuple(fc.oneof(fc.constantFrom(...targets.offered), mixed), end)
    .map(([place, rest]) => `/v2/${NAME}/${place}${rest}`);
  const crooked = fc
    .array(fc.oneof(TRICK, fc.constantFrom(NAME, 'manifests', 'blobs', ...whats)), { maxLength: 8 })
    .map((parts) => `/${parts.join('/')}`);
  const absolute = offered.chain((path) =>
    fc.constantFrom('*', `http://elsewhere${path}`, `/${path}`, `/..${path}`, 'plant:5000'),
  );
  const target = fc.oneof(
    { weight: 6, arbitrary: offered },
    { weight: 2, arbitrary: crooked },
    { weight: 1, arbitrary: absolute },
  );
  const body = mostly(fc.constant(''), fc.constantFrom('hello', '5\r\nhello\r\n0\r\n\r\n'));
  const request = fc
    .tuple(METHOD, target, VERSION, fc.array(HEADER, { maxLength: 3 }), body)
    .map(([method, where, version, headers, rest]) =>
      [`${method} ${where} ${version}`, 'Host: a', ...headers, '', rest].join('\r\n'),
    );
  const bytes = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 });
  return mostly<readonly (string | Uint8Array)[]>(fc.array(request, { minLength: 1, maxLength: 6 }), bytes);
}
