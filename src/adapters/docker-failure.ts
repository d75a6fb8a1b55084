import type { Credential } from '#core/desired-state';
import { AgentError, BrokenConnection } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { withoutLogin } from '#core/registry-auth';

/** What Go says of a link that spoils or drops what goes over it. */
const SPOILED = /tls: bad record MAC|stream error: stream ID|http2: (server sent GOAWAY|client conn)/;

/** How an error begins that a registry gives no code. */
const UNCODED = /unknown: /;

/**
 * What the engine's words mean; the first row that matches decides. Words of the classic and of the containerd image
 * store, of Docker 20.10 to 28.5, and of Podman 5.4 where they are its own.
 *
 * The order matters: a full disk ends any step in any other error; a message that names a certificate names the
 * request that it spoiled too; and an answer that lists several errors ends in "unauthorized".
 *
 * @see https://github.com/moby/moby/blob/v20.10.24/distribution/errors.go
 * @see https://github.com/moby/moby/blob/v28.5.2/daemon/containerd/registry_errors.go
 */
const RULES: readonly (readonly [FailureReason, RegExp])[] = [
  ['DiskFull', /no space left on device|disk quota exceeded/],
  ['RegistryInsecure', /server gave HTTP response to HTTPS client/],
  ['RegistryUnreachable', SPOILED],
  ['RegistryUntrusted', /x509:|X509 key pair|(for|missing) client certificate|remote error: tls:/],
  ['RegistryUnreachable', /Proxy Authentication Required/],
  ['RateLimited', /toomanyrequests|too many requests/i],
  ['Corrupt', /(config|layer) verification failed for digest|unexpected commit (digest|size)/],
  ['Corrupt', /digest \S+ does not match expected/],
  [
    'Corrupt',
    /unknown blob|blob unknown|could not fetch content descriptor|invalid tar header|gzip: invalid/,
  ],
  ['DigestMismatch', /manifest verification failed for digest/],
  ['PlatformMismatch', /no matching manifest for |no match for platform|cannot be used on this platform/],
  [
    'PlatformMismatch',
    /does not (match|provide) the specified platform|no image found in .+ for architecture/,
  ],
  ['InvalidImage', /invalid (reference|tag) format|repository name must be|cannot parse platform specifier/],
  // Only a 401 is the registry's no; any other status without its own words comes from what stands before it.
  ['Unauthorized', /(failed with status:|error parsing HTTP) 401|cannot prompt for username/],
  [
    'RegistryError',
    /failed with status: \d|error parsing HTTP \d+ response body|error unmarshalling content/,
  ],
  [
    'RegistryError',
    /missing signature key|missing or empty Content-Type|[45]\d\d Gateway|unexpected HTTP status/,
  ],
  ['NotFound', /manifest unknown|name unknown|: not found$/],
  ['Unauthorized', /no basic auth credentials|invalid_token/],
  ['AccessDenied', /insufficient_scope|access denied|denied: |403 Forbidden/],
  ['Unauthorized', /unauthorized(: |$)|401 Unauthorized|authorization failed|incorrect password/i],
  // Artifactory gives its errors no code.
  ['Unauthorized', /unknown: (bad credentials|wrong username was used|authentication is required)/i],
  ['RegistryError', /unexpected status |invalid status code |local error: tls:/],
  ['RegistryError', UNCODED],
  ['RegistryUnreachable', /connection (refused|reset|timed out)|broken pipe|unreachable|no route to host/],
  ['RegistryUnreachable', /no such host|name resolution|server misbehaving|request canceled|\bEOF\b/],
  ['RegistryUnreachable', /timeout|deadline exceeded/i],
];

/** What engines say of a connection that somebody had taken, and that broke off. */
const BROKEN = new RegExp(String.raw`connection reset|broken pipe|\bEOF\b|${SPOILED.source}`);

/** Statuses that newer engines give the registry's own words, which may be any. */
const STATUS_REASONS: Readonly<Record<number, FailureReason>> = {
  401: 'Unauthorized',
  403: 'AccessDenied',
  404: 'NotFound',
  429: 'RateLimited',
};

/**
 * Why something failed, from the engine's words.
 *
 * @param status - the answer's HTTP status: asked only where the words are the registry's own, since engines before
 *   28.2 say 500 to nearly everything
 */
export function classifyEngineFailure(text: string, status?: number): FailureReason {
  const rule = RULES.find(([, pattern]) => pattern.test(text));
  if (rule !== undefined && rule[1] !== UNCODED) return rule[0];
  if (rule === undefined && !text.includes('error from registry: ')) return 'Unknown';
  return STATUS_REASONS[status ?? 0] ?? 'RegistryError';
}

/** Longer ones hold whole web pages. */
const MAX_MESSAGE_LENGTH = 1000;
/** What is looked at of the words: a registry may say a million characters, and patterns take the square of that. */
const MAX_WORDS_LENGTH = 10_000;

/**
 * The engine's words on one line, at most 1,000 characters, without the queries and user names of URLs.
 *
 * @param credential - left out of the words, should the registry repeat it
 */
export function toEngineMessage(text: string, credential?: Credential): string {
  // Cut afterwards: half a password would not be found.
  const words = withoutLogin(text, credential)
    .slice(0, MAX_WORDS_LENGTH)
    .replaceAll(/(https?:\/\/)[^\s"/@]*@/g, '$1')
    .replaceAll(/(https?:\/\/[^\s"?]*)\?[^\s"]*/g, '$1')
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  if (words.length <= MAX_MESSAGE_LENGTH) return words;
  return `${words.slice(0, MAX_MESSAGE_LENGTH - 1).toWellFormed()}…`;
}

/** The failure that the engine's words tell of. */
export function toEngineFailure(text: string, status?: number, credential?: Credential): AgentError {
  const words = text.trim();
  const reason = classifyEngineFailure(words.slice(0, MAX_WORDS_LENGTH), status);
  const message = toEngineMessage(words, credential);
  const isBroken = reason === 'RegistryUnreachable' && BROKEN.test(text);
  return isBroken ? new BrokenConnection(message) : new AgentError(reason, message);
}
