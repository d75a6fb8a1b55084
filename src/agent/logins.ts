import * as outcomes from '#agent/outcomes';
import type { ActionDeps } from '#agent/actions';
import { AgentError } from '#core/reason';
import { toCredentials } from '#core/registry-record';
import type { Login, LoginOutcome, RegistryRecord } from '#core/registry-record';

type LoginDeps = Pick<ActionDeps, 'transports' | 'book' | 'log' | 'tally' | 'toMoment'>;

/**
 * Logs in to the registry of an entry with the first of its credentials that is accepted, and takes the outcome into the
 * book; never rejects for a login that failed. What comes after the signal, or for an entry that was changed meanwhile,
 * counts for nothing.
 */
export async function login(name: string, deps: LoginDeps, signal: AbortSignal): Promise<void> {
  const { book, log, tally, toMoment } = deps;
  const record = book.registries.get(name);
  if (record === undefined) return;
  if (record.attempts > 0) tally.count('retries_total', { action: 'login' });
  const begun = outcomes.toLoginBeginning(book);
  const outcome = await tryCredentials(record, deps, signal);
  if (signal.aborted) return;
  tally.count('logins_total', {
    registry: name,
    result: outcome.kind === 'accepted' ? 'succeeded' : 'failed',
  });
  // A registry that was changed meanwhile is logged in to anew, for what it is now.
  if (book.registries.get(name)?.registry !== record.registry) return;
  const before = record.login;
  outcomes.takeLogin(book, name, outcome, { ...toMoment(), begun });
  const fields = { registry: name, address: record.registry.address };
  if (outcome.kind === 'failed') {
    log.debug({ ...fields, reason: outcome.reason, error: outcome.message }, 'login attempt failed');
  } else if (hasChanged(before, outcome)) {
    log.info({ ...fields, credential: outcome.credential ?? 'none' }, 'login succeeded');
  }
}

async function tryCredentials(
  record: RegistryRecord,
  { transports }: Pick<LoginDeps, 'transports'>,
  signal: AbortSignal,
): Promise<LoginOutcome> {
  const { address, ca } = record.registry;
  const credentials = toCredentials(record);
  let refusal: AgentError | undefined;
  for (const credential of credentials.length === 0 ? [undefined] : credentials) {
    try {
      await transports.login({ address, credential, ca }, signal);
      return { kind: 'accepted', ...(credential === undefined ? {} : { credential: credential.name }) };
    } catch (error) {
      const failure = AgentError.of(error);
      if (failure.reason !== 'Unauthorized') return toFailedLogin(failure);
      refusal ??= failure;
    }
  }
  return toFailedLogin(refusal ?? new AgentError('Unknown', 'no credential was tried'));
}

/** Whether a login is worth a line: one that succeeds again is told by whoever told of the failure. */
const hasChanged = (
  before: Login,
  { credential }: Pick<Login & { kind: 'accepted' }, 'credential'>,
): boolean => before.kind === 'unknown' || (before.kind === 'accepted' && before.credential !== credential);

const toFailedLogin = ({ reason, message }: AgentError): LoginOutcome => ({
  kind: 'failed',
  reason,
  message,
});
