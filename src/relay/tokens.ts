import type { Clock } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { RegistryAccess } from '#core/registry-access';
import { parseChallenge, parseToken, toBasic, toTokenUrl } from '#core/registry-auth';
import type { Challenge, IssuedToken } from '#core/registry-auth';
import type { Secret } from '#core/secret';
import type { Answer, RegistryLine } from '#relay/registry-line';
import { readWanted, toFailure, withinTime } from '#relay/answers';
import { BusyRegistry, StatusFailure } from '#relay/registry-failure';

/** What goes with a request so that the registry answers it. */
export interface Tokens {
  /**
   * The `Authorization` for one repository, or for the registry where there is none; undefined while it never asked for
   * any. Rejects with an `AgentError`.
   */
  authorize(repository: string | undefined, signal: AbortSignal): Promise<Authorization | undefined>;
  /**
   * Learns from a 401. What was sent is not sent again.
   *
   * @throws a StatusFailure where nothing helps
   */
  learn(answer: Answer, repository: string | undefined, refusal: Refusal): void;
  /** A repository's token is not used again. */
  forget(repository: string | undefined): void;
}

export interface Authorization {
  readonly header: string;
  /** Whether it is a token that was had for this question: it is not for its age that the registry refuses it. */
  readonly isFresh: boolean;
}

/** A 401. */
interface Refusal {
  /** Undefined where nothing was. */
  readonly sent: Authorization | undefined;
  /** What the registry says, without the login that it may repeat, in parentheses; empty where it says nothing. */
  readonly words: string;
}

/** What {@link createTokens} takes. */
export interface TokensOptions {
  readonly access: RegistryAccess;
  readonly line: RegistryLine;
  readonly clock: Pick<Clock, 'nowMs' | 'steadyMs'>;
  readonly answerTimeoutMs: number;
}

interface Held {
  readonly token: Promise<Secret>;
  /** Infinity while it is fetched. */
  goodUntilMs: number;
}

interface TokenRequest {
  readonly url: URL;
  readonly headers: { readonly authorization?: string };
}

/** Where the registry does not say it. */
const DEFAULT_LIFETIME_SECONDS = 60;
/** Clocks differ, and a request takes its time. */
const MARGIN_SECONDS = 10;
const MAX_ANSWER_BYTES = 100_000;

/** One token for each repository, renewed before it ends. */
export function createTokens({ access, line, clock, answerTimeoutMs }: TokensOptions): Tokens {
  const { address, credential } = access;
  const held = new Map<string, Held>();
  let challenge: { readonly value: Challenge; readonly origin: string } | undefined;

  async function fetchToken(repository: string | undefined): Promise<IssuedToken> {
    const known = challenge;
    let isBusy = false;
    try {
      const { url, headers } = toTokenRequest(repository);
      // Whoever asked first may go away while others wait.
      return await withinTime(2 * answerTimeoutMs, address, async (signal) => {
        const answer = await line.askElsewhere(url, { method: 'GET', headers }, signal);
        const { statusCode: status = 0 } = answer.response;
        isBusy = status === 429 || status >= 500;
        const subject = `token of ${address}`;
        if (status !== 200) {
          const asked = { subject, credential, authorization: headers.authorization };
          const failure = await toFailure(answer, asked, clock.nowMs());
          // It is no answer to what the token is for.
          throw failure instanceof BusyRegistry ? failure : new AgentError(failure.reason, failure.message);
        }
        const issued = parseToken(String((await readWanted(answer, MAX_ANSWER_BYTES, address)) ?? ''));
        if (issued !== undefined) return issued;
        throw new AgentError('RegistryError', `${subject}: the registry answered without one`);
      });
    } catch (error) {
      // The registry may ask for another login by now, or for none: the next question shows it.
      if (!isBusy && challenge === known) {
        challenge = undefined;
        // Nor may it know the tokens that it gave.
        held.clear();
      }
      throw error;
    }
  }

  function toTokenRequest(repository: string | undefined): TokenRequest {
    if (challenge?.value.kind !== 'bearer') throw new Error('no realm is known');
    const { realm, service } = challenge.value;
    const url = URL.parse(realm);
    if (url === null) throw new AgentError('RegistryError', `${address} names no place where tokens are had`);
    if (credential !== undefined && url.origin !== challenge.origin) {
      const message = `${address} wants the password sent to ${url.origin}; it goes to the registry's own address only`;
      throw new AgentError('RegistryError', message, { quoted: [url.host] });
    }
    return {
      url: toTokenUrl(url, { service, repository, username: credential?.username }),
      headers: credential === undefined ? {} : { authorization: toBasic(credential) },
    };
  }

  /** A device may have thousands of repositories, and tokens are long. */
  function forgetEnded(): void {
    const nowMs = clock.steadyMs();
    for (const [key, { goodUntilMs }] of held) if (goodUntilMs <= nowMs) held.delete(key);
  }

  function holdToken(repository: string | undefined): Held {
    const key = repository ?? '';
    const found = held.get(key);
    if (found !== undefined && clock.steadyMs() < found.goodUntilMs) return found;
    forgetEnded();
    const fetched = fetchToken(repository);
    const fresh: Held = { token: fetched.then(({ token }) => token), goodUntilMs: Infinity };
    held.set(key, fresh);
    fetched.then(
      ({ lifetimeSeconds: seconds = DEFAULT_LIFETIME_SECONDS }) => {
        fresh.goodUntilMs = clock.steadyMs() + (seconds - Math.min(MARGIN_SECONDS, seconds / 4)) * 1000;
      },
      () => {
        if (held.get(key) === fresh) held.delete(key);
      },
    );
    return fresh;
  }

  return {
    async authorize(repository, signal) {
      signal.throwIfAborted();
      if (challenge === undefined) return undefined;
      if (challenge.value.kind === 'basic') {
        return credential === undefined ? undefined : { header: toBasic(credential), isFresh: false };
      }
      const known = holdToken(repository);
      const isFresh = known.goodUntilMs === Infinity;
      const token = await untilAborted(known.token, signal);
      return { header: `Bearer ${token.reveal()}`, isFresh };
    },
    forget: (repository) => void held.delete(repository ?? ''),
    learn({ url, response }, repository, { sent, words }) {
      const asked = parseChallenge(response.headers['www-authenticate'] ?? '');
      const subject = repository === undefined ? address : `${address}/${repository}`;
      const toError = (reason: FailureReason, what: string): StatusFailure =>
        new StatusFailure(reason, `${subject}: the ${what}${words}`, 401);
      if (sent?.header.startsWith('Bearer ') === true) {
        held.delete(repository ?? '');
        const { isFresh } = sent;
        const refusal = toTokenRefusal({ asked, repository, isFresh, former: challenge?.value }, credential);
        // Harbor asks whoever sends a token for the password, whatever is wrong. Whoever sends nothing is told what helps.
        challenge = asked?.kind === 'bearer' ? { value: asked, origin: url.origin } : undefined;
        if (refusal !== undefined) throw toError(...refusal);
        return;
      }
      if (asked === undefined)
        throw toError('Unauthorized', 'registry refused, and asks for no login it knows');
      if (asked.kind === 'basic' && (credential === undefined || sent !== undefined)) {
        const why = credential === undefined ? ASKS_FOR_PASSWORD : 'refused the password';
        throw toError('Unauthorized', `registry ${why}`);
      }
      challenge = { value: asked, origin: url.origin };
    },
  };
}

const ASKS_FOR_PASSWORD = 'asks for a user name and password';

/** A token that was refused. */
interface RefusedToken {
  readonly asked: Challenge | undefined;
  readonly repository: string | undefined;
  readonly isFresh: boolean;
  /** What the registry asked for before. */
  readonly former: Challenge | undefined;
}

/** Why a token is refused; undefined where another one, or another login, may be good enough. */
function toTokenRefusal(
  { asked, repository, isFresh, former }: RefusedToken,
  credential: Credential | undefined,
): readonly [FailureReason, string] | undefined {
  const error = asked?.kind === 'bearer' ? asked.error : undefined;
  const denied = ['AccessDenied', 'token does not give the right to pull'] as const;
  if (error === 'insufficient_scope') return denied;
  const isElsewhere =
    asked?.kind === 'bearer' &&
    (former?.kind !== 'bearer' || former.realm !== asked.realm || former.service !== asked.service);
  if (!isFresh || isElsewhere) return undefined;
  if (asked?.kind === 'basic' && credential === undefined) {
    return ['Unauthorized', `registry ${ASKS_FOR_PASSWORD}`];
  }
  // A login asks for no right; and whoever has no password may get it by one.
  const isForRight = repository !== undefined && credential !== undefined && error !== 'invalid_token';
  return isForRight ? denied : ['Unauthorized', 'registry refused its own token'];
}

/** Rejects when the signal aborts; the work goes on for whoever else waits for it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  work.then(resolve, reject);
  return promise.finally(() => signal.removeEventListener('abort', abort));
}
