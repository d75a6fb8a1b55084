import { isLoopbackHost, split } from '#core/registry-advice';
import type { CheckName, CheckQuestion } from '#core/registry-advice';
import { skipped, toStep } from '#core/registry-check';
import type { CheckStep } from '#core/registry-check';
import type { FailureReason } from '#core/reason';

/** What the module found when it went to a registry's address itself; what is absent was not come to. */
export interface Probe {
  readonly addresses?: Probed<readonly string[]>;
  /** Whether the port is open. */
  readonly connection?: Probed<true>;
  readonly tls?: Probed<TlsFacts>;
  /** Of `/v2/`. */
  readonly answer?: Probed<AnswerFacts>;
}

/** A value, or why there is none, in the words of the system. */
export type Probed<T> = { readonly value: T } | { readonly error: string };

export type TlsFacts =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'certificate';
      /** Common names, or empty. */
      readonly subject: string;
      readonly issuer: string;
      /** As the certificate has it, for instance `Nov 24 12:00:00 2026 GMT`. */
      readonly validTo: string;
      /** Why it is not trusted; absent where it is. */
      readonly distrust?: string;
    };

export interface AnswerFacts {
  readonly status: number;
  /** Whether only a registry answers so. */
  readonly isRegistry: boolean;
  /** `Bearer` or `Basic`, where it asks for a login. */
  readonly challenge?: string;
}

const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);
/** Below a request each handshake that fails has the code EPROTO: its words tell. */
const NO_TLS_WORDS = /wrong version number|packet length too long|http request/;

/** Whether a TLS handshake that failed met a server that knows no TLS. */
export function knowsNoTls(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  return NO_TLS.has(String(code)) || (code === 'EPROTO' && NO_TLS_WORDS.test(String(message)));
}

/**
 * What the probe means, step by step. The module's network is not the engine's: nothing here says that the engine cannot
 * pull.
 *
 * @param isReached - whether the engine reaches the registry: what it takes is good enough
 */
export function judgeProbe(question: CheckQuestion, probe: Probe, isReached: boolean): readonly CheckStep[] {
  const { addresses, connection, tls, answer } = probe;
  const { host, port } = split(question.address);
  const failed = (step: CheckName, reason: FailureReason, message: string): CheckStep =>
    toStep(question, { step }, { kind: 'failed', reason, message });
  const ok = (step: CheckName, message: string): CheckStep =>
    toStep(question, { step }, { kind: 'ok', message });

  if (addresses === undefined) return [skipped('resolve', NO_TIME)];
  if ('error' in addresses) return [failed('resolve', 'RegistryUnreachable', addresses.error)];
  const steps = [ok('resolve', addresses.value.join(', '))];
  if (connection === undefined) return [...steps, skipped('connect', NO_TIME)];
  if ('error' in connection) {
    if (isLoopbackHost(host)) return [...steps, skipped('connect', toOwnLoopback(question.address))];
    return [...steps, failed('connect', 'RegistryUnreachable', connection.error)];
  }
  steps.push(ok('connect', `Port ${port} is open.`));
  if (tls === undefined) return [...steps, skipped('tls', NO_TIME)];
  if ('error' in tls) return [...steps, failed('tls', 'RegistryError', tls.error)];
  // The engine makes an exception for loopback addresses, whatever else it takes offence at.
  steps.push(judgeTls(tls.value, { isPlainTaken: isReached || isLoopbackHost(host), ok, failed }));
  if (answer === undefined) return [...steps, skipped('v2', NO_TIME)];
  if ('error' in answer) return [...steps, failed('v2', 'RegistryError', answer.error)];
  const { status, isRegistry, challenge } = answer.value;
  if (!isRegistry)
    return [...steps, failed('v2', 'RegistryError', `/v2/ answers ${status}, and not as a registry.`)];
  const asks = challenge === undefined ? 'asks for no login' : `asks for a login (${challenge})`;
  return [...steps, ok('v2', `Answers ${status} and ${asks}.`)];
}

const NO_TIME = 'No answer in time.';

const toOwnLoopback = (address: string): string =>
  `Nobody listens at ${address} in the module's own network, where that is the module itself and not the host: only the engine can tell.`;

interface Verdicts {
  readonly isPlainTaken: boolean;
  readonly ok: (step: CheckName, message: string) => CheckStep;
  readonly failed: (step: CheckName, reason: FailureReason, message: string) => CheckStep;
}

function judgeTls(facts: TlsFacts, { isPlainTaken, ok, failed }: Verdicts): CheckStep {
  if (facts.kind === 'plain') {
    const message = 'The registry speaks plain HTTP';
    return isPlainTaken
      ? ok('tls', `${message}, which the engine takes here.`)
      : failed('tls', 'RegistryInsecure', `${message}.`);
  }
  const { subject, issuer, validTo, distrust } = facts;
  const certificate = `The certificate of "${subject}" is signed by "${issuer}" and valid to ${validTo}`;
  if (distrust === undefined) return ok('tls', `${certificate}; the module trusts it.`);
  return failed('tls', 'RegistryUntrusted', `${certificate}; the module does not trust it: ${distrust}.`);
}
