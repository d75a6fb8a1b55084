import type { CredentialName, FaultyRegistry } from '#core/desired-state';
import type { FailureReason } from '#core/reason';
import { adviseOn } from '#core/registry-advice';
import type { CheckName, CheckQuestion } from '#core/registry-advice';
import type { Obstacle } from '#core/route';

/** Whether it works. */
export type CheckStep = {
  readonly step: CheckName;
  /** Which password a `login` was tried with. */
  readonly credential?: CredentialName;
} & (
  | { readonly result: 'ok'; readonly message?: string }
  | (Fault & { readonly result: 'failed'; readonly advice: string })
  /** It does not apply, or could not be asked; the message says why. */
  | { readonly result: 'skipped'; readonly message: string }
);

interface Fault {
  readonly reason: FailureReason;
  readonly message: string;
}

/** What became of one question to the engine. */
export type Finding =
  | { readonly kind: 'ok'; readonly message?: string }
  | (Fault & { readonly kind: 'failed' })
  /** No time was left to ask. */
  | { readonly kind: 'unasked' };

/** What the engine found, in this order; what is absent was not asked, since something before it failed. */
export interface EngineFindings {
  readonly reach: Finding;
  /** One for each password. */
  readonly logins?: readonly (readonly [CredentialName, Finding])[] | undefined;
  readonly manifest?: Finding | undefined;
}

/** What was found on the way through the relay, in this order; what is absent was not asked. */
export interface RelayFindings {
  readonly obstacle?: Obstacle;
  /** From the module to the registry. */
  readonly reach?: Finding;
  readonly logins?: readonly (readonly [CredentialName, Finding])[];
  readonly manifest?: Finding;
}

/** How the check of one registry ended. */
export interface RegistryCheck {
  readonly address: string;
  /** Whether images can be pulled, one way or the other. */
  readonly isOk: boolean;
  /** Milliseconds since 1970. */
  readonly checkedAtMs: number;
  readonly engine: readonly CheckStep[];
  /** Whether it can come through the relay instead. */
  readonly relay: readonly CheckStep[];
  readonly module: readonly CheckStep[];
}

const NO_TIME = 'No time was left for this step: call again for this registry alone.';
const NOT_REACHED = 'The engine does not reach the registry.';

/** What the engine's findings mean, step by step. */
export function judgeEngine(question: CheckQuestion, findings: EngineFindings): readonly CheckStep[] {
  const { reach, logins, manifest } = findings;
  const steps = [toStep(question, { step: 'reach' }, reach)];
  if (question.username === undefined) {
    steps.push(
      skipped('login', `registryCredentials.${question.name} has no username: pulls are anonymous.`),
    );
  } else if (logins === undefined) {
    steps.push(skipped('login', NOT_REACHED));
  }
  for (const [credential, finding] of logins ?? []) {
    steps.push(toStep(question, { step: 'login', credential }, finding));
  }
  if (question.repository === undefined) return steps;
  if (manifest !== undefined) return [...steps, toStep(question, { step: 'manifest' }, manifest)];
  const isReached = reach.kind === 'ok';
  return [...steps, skipped('manifest', isReached ? 'The registry accepts no password.' : NOT_REACHED)];
}

/** What the findings about the relay mean, step by step. */
export function judgeRelay(question: CheckQuestion, findings: RelayFindings): readonly CheckStep[] {
  const { obstacle, reach, logins = [], manifest } = findings;
  const asked: CheckQuestion = { ...question, isModule: true };
  if (obstacle?.kind === 'unreached') {
    const finding: Finding = { kind: 'failed', reason: 'RegistryUnreachable', message: obstacle.why };
    return [toStep(asked, { step: 'relay' }, finding)];
  }
  if (obstacle !== undefined) return [skipped('relay', obstacle.why)];
  if (reach === undefined) return [skipped('relay', NO_TIME)];
  return [
    toStep(asked, { step: 'relay' }, { kind: 'ok', message: 'The engine reaches the relay.' }),
    toStep(asked, { step: 'reach' }, reach),
    ...logins.map(([credential, finding]) => toStep(asked, { step: 'login', credential }, finding)),
    ...(manifest === undefined ? [] : [toStep(asked, { step: 'manifest' }, manifest)]),
  ];
}

/** What there is to say of a registry whose entry is at fault: nobody is asked about it. */
export function judgeEntry(
  name: string,
  { address = '', message }: FaultyRegistry,
  checkedAtMs: number,
): RegistryCheck {
  const finding: Finding = { kind: 'failed', reason: 'UnknownRegistry', message };
  const engine = [toStep({ name, address }, { step: 'entry' }, finding)];
  return { address, isOk: false, checkedAtMs, engine, relay: [], module: [] };
}

/** Whether images can come through the relay. */
export const isRelayable = (question: CheckQuestion, { reach, ...findings }: RelayFindings): boolean =>
  reach !== undefined && isPullable(question, { reach, ...findings });

/** Whether images can be pulled, as far as one of both ways goes: one accepted password is enough. */
export function isPullable(
  question: CheckQuestion,
  { reach, logins = [], manifest }: EngineFindings,
): boolean {
  const isLoggedIn = question.username === undefined || logins.some(([, { kind }]) => kind === 'ok');
  return reach.kind === 'ok' && isLoggedIn && (question.repository === undefined || manifest?.kind === 'ok');
}

/** The step that an outcome amounts to, with advice where it failed. */
export function toStep(
  question: CheckQuestion,
  head: Pick<CheckStep, 'step' | 'credential'>,
  finding: Finding,
): CheckStep {
  switch (finding.kind) {
    case 'unasked':
      return { ...head, result: 'skipped', message: NO_TIME };
    case 'ok':
      return {
        ...head,
        result: 'ok',
        ...(finding.message === undefined ? {} : { message: finding.message }),
      };
    case 'failed': {
      const { reason, message } = finding;
      return { ...head, result: 'failed', reason, message, advice: adviseOn(question, head, finding) };
    }
  }
}

/** A step that was not taken, and why. */
export function skipped(step: CheckName, message: string): CheckStep {
  return { step, result: 'skipped', message };
}
