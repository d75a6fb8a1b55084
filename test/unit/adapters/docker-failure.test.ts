import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { classifyEngineFailure, toEngineFailure, toEngineMessage } from '#adapters/docker-failure';
import { BrokenConnection } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { Secret } from '#core/secret';

/** One failure as an engine was heard to tell it. */
interface Recording {
  /** What was wrong. */
  readonly label: string;
  readonly op: 'auth' | 'pull' | 'dist';
  readonly daemon: string;
  readonly status: number;
  readonly text: string;
}

const recordings: readonly Recording[] = readFileSync(
  new URL('../../fixtures/engine-errors.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** By what was wrong; `label (op)` where one fault is told differently. */
const expected: Partial<Record<FailureReason, readonly string[]>> = {
  RegistryInsecure: ['http/https', 'before reload'],
  RegistryUntrusted: [
    'CA trusted wrong name',
    'CA trusted expired cert',
    'CA trusted no SAN',
    'certs.d client.cert w/o key',
  ],
  Unauthorized: [
    'wrong password',
    'unknown user',
    'disabled token',
    'expired pw',
    'badpw',
    'no creds',
    'no password asked for',
    'Basic challenge no creds',
    'fault 401-unauth-manifest',
    'fault 401-blob',
    'unpadded base64url mod2',
    'unpadded base64url mod3',
    'std base64 with + or /',
    'garbage',
    'empty object e30=',
    'registrytoken garbage',
    // A pull cannot tell a broken /v2/ from a refused password; a login can.
    'fault 503-ping (pull)',
    'fault 404-ping (pull)',
    'fault 429-ping (pull)',
  ],
  AccessDenied: [
    'no scope',
    'no scope (registry 401 insufficient_scope)',
    'fault 403-denied-manifest',
    'fault 401-denied-manifest',
    'registrytoken wrong repo',
  ],
  NotFound: [
    'unknown tag',
    'unknown repo, in scope',
    'unknown digest',
    'fault 404-name-manifest',
    'fault 404-man-manifest',
  ],
  PlatformMismatch: ['manifest list without amd64', 'windows image'],
  InvalidImage: ['bad platform'],
  DiskFull: ['disk full: extract (zeros 60MB)', 'disk full: download (random 60MB)'],
  RateLimited: ['tokenserver 429', 'fault 429-manifest', 'fault 429-blob', 'fault 429-ping (auth)'],
  Corrupt: ['fault 404-blob', 'fault corrupt-blob'],
  RegistryError: [
    'fault 404-html-manifest',
    'fault 500-manifest',
    'fault 502-manifest',
    'fault 500-blob',
    'fault basic',
    'tokenserver 503',
    'tokenserver 503html',
    'tokenserver 404html',
    'fault 503-ping (auth)',
    'fault 404-ping (auth)',
  ],
  RegistryUnreachable: [
    'conn refused',
    'conn refused loopback',
    'conn refused (insecure fallback, loopback)',
    'refused',
    'dns fail',
    'dns nxdomain',
    'docker hub style short name',
    'network unreachable',
    'blackhole',
    'registry hangs',
    'token server hangs',
    'TLS handshake silent',
    'fault reset',
    'fault cut-blob',
  ],
};

const reasons = new Map(
  Object.entries(expected).flatMap(([reason, labels]) => labels.map((label) => [label, reason] as const)),
);

describe('each failure that an engine was heard to tell has the reason of its cause', () => {
  test.each(recordings)('$daemon $op: $label', ({ label, op, text, status }) => {
    expect(classifyEngineFailure(text, status)).toBe(reasons.get(`${label} (${op})`) ?? reasons.get(label));
  });

  test('no expectation is for a failure that was never recorded', () => {
    const heard = new Set(recordings.flatMap(({ label, op }) => [label, `${label} (${op})`]));
    expect([...reasons.keys()].filter((label) => !heard.has(label))).toEqual([]);
  });
});

const reference = 'failed to resolve reference "edge.local:8000/app:1": ';
const head = 'failed to do request: Head "https://edge.local:8000/v2/app/manifests/1": ';

describe('the containerd store words the same causes differently', () => {
  test.each<[FailureReason, string, number?]>([
    ['RegistryInsecure', `${reference}${head}http: server gave HTTP response to HTTPS client`],
    [
      'RegistryUntrusted',
      `${reference}failed to authorize: failed to fetch oauth token: Post "https://edge.local:8000/acr/oauth2/token": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    ],
    ['Unauthorized', 'error from registry: Incorrect Password - Please visit https://aka.ms/acr', 401],
    ['Unauthorized', 'error from registry: Token is disabled', 401],
    [
      'Unauthorized',
      'pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    ],
    [
      'Unauthorized',
      `${reference}failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://edge.local:8000/acr/oauth2/token: 401 Unauthorized`,
    ],
    [
      'AccessDenied',
      'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    ],
    [
      'AccessDenied',
      `${reference}unexpected status from HEAD request to https://edge.local:8000/v2/app/manifests/1: 403 Forbidden`,
    ],
    ['AccessDenied', 'error from registry: Not for you', 403],
    ['NotFound', `${reference}edge.local:8000/app:1: not found`],
    ['NotFound', 'error from registry: There is no such thing', 404],
    ['PlatformMismatch', `${reference}no match for platform in manifest: not found`],
    [
      'RateLimited',
      `${reference}unexpected status from HEAD request to https://edge.local:8000/v2/app/manifests/1: 429 Too Many Requests`,
    ],
    ['RateLimited', 'error from registry: slow down', 429],
    [
      'RegistryError',
      'unknown: failed to resolve reference "edge.local:8000/app:1": unexpected status from HEAD request to https://edge.local:8000/v2/app/manifests/1: 502 Bad Gateway',
    ],
    ['RegistryError', 'error from registry: it burns', 500],
    [
      'Corrupt',
      'could not fetch content descriptor sha256:1e1e (application/octet-stream) from remote: not found',
    ],
    ['Corrupt', 'failed commit on ref "layer-sha256:1e1e": unexpected commit digest sha256:2f2f'],
    ['DiskFull', 'failed to copy: failed to send write: write /data/ingest/data: no space left on device'],
    ['DiskFull', 'failed to extract layer (application/gzip sha256:1e1e): no space left on device: unknown'],
    ['RegistryUnreachable', `${reference}${head}dial tcp 10.0.0.9:8000: i/o timeout`],
    ['RegistryUnreachable', `${reference}${head}dial tcp 10.0.0.9:8000: connect: no route to host`],
  ])('%s: %s', (reason, text, status) => {
    expect(classifyEngineFailure(text, status)).toBe(reason);
  });
});

describe('words of the classic store that no recording holds', () => {
  test.each<[FailureReason, string]>([
    ['DigestMismatch', 'manifest verification failed for digest sha256:1e1e'],
    ['Corrupt', 'filesystem layer verification failed for digest sha256:1e1e'],
    ['InvalidImage', 'invalid reference format'],
    ['InvalidImage', 'invalid reference format: repository name must be lowercase'],
    ['RegistryUntrusted', 'cannot validate certificate for 10.0.0.9: x509: it contains no IP SANs'],
    ['RegistryUntrusted', 'failed to load X509 key pair (client.cert, client.key)'],
    ['RegistryUntrusted', 'Get "https://edge.local/v2/": remote error: tls: bad certificate'],
    ['Unauthorized', 'login attempt to http://edge.local/v2/ failed with status: 401 Unauthorized'],
    ['Unauthorized', 'error parsing HTTP 401 response body: unexpected end of JSON input: ""'],
    ['RegistryError', 'login attempt to http://edge.local/v2/ failed with status: 403 Forbidden'],
    ['RegistryError', 'received unexpected HTTP status: 504 Gateway Timeout'],
    ['RegistryError', 'error unmarshalling content: invalid character "<" looking for beginning of value'],
    ['Unknown', 'No such image: sha256:1e1e'],
    ['Unknown', 'the engine invented something'],
  ])('%s: %s', (reason, text) => {
    expect(classifyEngineFailure(text)).toBe(reason);
  });

  test('a repository that is named like a failure does not decide the reason', () => {
    const text =
      'manifest for edge.local/unauthorized/denied:1 not found: manifest unknown: manifest unknown';
    expect(classifyEngineFailure(text)).toBe('NotFound');
  });
});

/** As their sources and manuals have them: no engine was heard to say so here. */
describe('the words of registries that give an error no code, or another one', () => {
  test.each<[FailureReason, string, number?]>([
    // Artifactory.
    ['Unauthorized', 'Get "https://art.example/v2/": unknown: Bad Credentials'],
    ['Unauthorized', 'Get "https://art.example/v2/": unknown: Wrong username was used'],
    ['Unauthorized', 'Head "https://art.example/v2/app/manifests/1": unknown: Authentication is required'],
    // Oracle's.
    ['Unauthorized', 'Get "https://iad.ocir.example/v2/": unknown: Unauthorized'],
    ['Unauthorized', 'Get "https://art.example/v2/": unknown: Sorry', 401],
    ['AccessDenied', 'Get "https://art.example/v2/": unknown: Sorry', 403],
    ['RegistryError', 'Get "https://art.example/v2/": unknown: Sorry', 500],
    // GitLab before 15.
    ['AccessDenied', 'Get "https://git.example/v2/": denied: access forbidden', 500],
  ])('%s: %s', (reason, text, status) => {
    expect(classifyEngineFailure(text, status)).toBe(reason);
  });
});

describe('the words of Go for a link that spoils or drops what goes over it', () => {
  test.each([
    'failed to copy: local error: tls: bad record MAC',
    'failed to copy: httpReadSeeker: failed open: failed to do request: remote error: tls: bad record MAC',
    'stream error: stream ID 15; INTERNAL_ERROR; received from peer',
    'http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""',
    'Get "https://edge.local/v2/": http2: client connection lost',
  ])('are a connection that broke: %s', (text) => {
    const failure = toEngineFailure(text, 500);
    expect(failure.reason).toBe('RegistryUnreachable');
    expect(failure).toBeInstanceOf(BrokenConnection);
  });

  test('that found the TLS of the other side wrong do not blame its certificate', () => {
    const text = 'Get "https://edge.local/v2/": local error: tls: unexpected message';
    expect(classifyEngineFailure(text)).toBe('RegistryError');
  });
});

test.each([
  'Get "https://edge.local:8000/v2/": Proxy Authentication Required',
  'unexpected status from HEAD request to http://edge.local/v2/app/manifests/1: 407 Proxy Authentication Required',
])('a proxy of the engine that wants a login keeps it from the registry: %s', (text) => {
  const failure = toEngineFailure(text, 500);
  expect(failure.reason).toBe('RegistryUnreachable');
  expect(failure).not.toBeInstanceOf(BrokenConnection);
});

describe('the message of a failure', () => {
  test('keeps the words of the engine and leaves out what a URL carries beside its path', () => {
    const text =
      'Head "http://edge.local/v2/app/manifests/1": Get "https://user:pw@edge.local/oauth2/token?account=device&scope=x": EOF';
    expect(toEngineMessage(text)).toBe(
      'Head "http://edge.local/v2/app/manifests/1": Get "https://edge.local/oauth2/token": EOF',
    );
  });

  test('is one line', () => {
    const text = 'errors:\ndenied: no\nunauthorized: no\n\u0000';
    expect(toEngineMessage(text)).toBe('errors: denied: no unauthorized: no');
  });

  test('is cut at 1,000 characters, and never through one', () => {
    expect(toEngineMessage('x'.repeat(1000))).toHaveLength(1000);
    const cut = toEngineMessage(`${'x'.repeat(998)}😀${'x'.repeat(10)}`);
    expect(cut).toHaveLength(1000);
    expect(cut.isWellFormed()).toBe(true);
  });

  test.each(['http://', 'no image found in '])('is made soon however often a registry says %j', (words) => {
    const startMs = performance.now();
    const { message } = toEngineFailure(words.repeat(500_000 / words.length), 500);
    expect(message).toHaveLength(1000);
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  test('leaves out a password wherever it stands in a long text', () => {
    const password = new Secret('hunter2');
    for (let length = 9990; length <= 10_000; length += 1) {
      const text = `a${' '.repeat(length)}hunter2 is not your password`;
      const { message } = toEngineFailure(text, 500, { name: 'password', username: 'device', password });
      expect('a [secret] is not your password').toContain(message);
    }
  });

  test('leaves out the password that a registry repeats, and what it came in', () => {
    const password = new Secret('hunter2');
    const { message, reason } = toEngineFailure(
      'unauthorized: "hunter2" is not your password; got Basic ZGV2aWNlOmh1bnRlcjI=',
      500,
      { name: 'password', username: 'device', password },
    );
    expect(message).toBe('unauthorized: "[secret]" is not your password; got Basic [secret]');
    expect(reason).toBe('Unauthorized');
  });
});
