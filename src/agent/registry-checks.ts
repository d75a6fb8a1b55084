import type { Clock, Engine, RegistryProber } from '#agent/ports';
import { createAsker, QUESTION_MS } from '#agent/asker';
import { askRelay } from '#agent/relay-check';
import type { Relay } from '#agent/relay-port';
import type { Transports } from '#agent/transports';
import { createTurnstile } from '#core/turnstile';
import type { Credential, DesiredRegistry, Settings } from '#core/desired-state';
import type { Reference } from '#core/reference';
import type { CheckQuestion } from '#core/registry-advice';
import { isPullable, isRelayable, judgeEngine, judgeRelay } from '#core/registry-check';
import type { EngineFindings, Finding, RegistryCheck } from '#core/registry-check';
import { judgeProbe } from '#core/registry-probe';
import { toCredential } from '#core/registry-record';
import type { RegistryRecord } from '#core/registry-record';

/** Finds out, when it is asked, what works at registries and what does not. */
export interface RegistryChecks {
  /**
   * Checks registries, at most four at once, in about 20 s whatever hangs; throws `EngineUnavailable` where the engine
   * itself does not answer, since no registry can be blamed then. What was checked in the last 10 s is answered
   * from that, and the same check is never under way twice.
   *
   * @param target - of a reference: whose manifest is to be read
   */
  check(
    records: readonly RegistryRecord[],
    target: CheckTarget | undefined,
  ): Promise<ReadonlyMap<string, RegistryCheck>>;
}

/** A manifest to be read, in whatever registry is checked. */
export type CheckTarget = Omit<Reference, 'registry'>;

export interface RegistryCheckDeps {
  readonly engine: Engine;
  readonly relay?: Relay | undefined;
  readonly transports: Pick<Transports, 'findObstacle'>;
  readonly toTransport: () => Settings['transport'];
  readonly probe: RegistryProber;
  readonly clock: Clock;
  /** A password is accepted whose last login failed. */
  readonly onAccepted: (registry: string) => void;
}

/** For a whole call: it is answered in under 25 s. */
const CALL_MS = 20_000;
/** Whoever asks again this soon gets the same answer. */
const FRESH_MS = 10_000;
/** A refused password is tried again this often at most: many wrong ones lock an account out. */
const REFUSED_MS = 60_000;
const MAX_CONCURRENT_CHECKS = 4;
const MAX_RECENT = 50;

interface Shared {
  readonly registry: DesiredRegistry;
  readonly check: Promise<RegistryCheck>;
  /** By the steady clock; Infinity while it goes on. */
  endedAtMs: number;
}

/** Makes the checks; nothing is asked before the first call. */
export function createRegistryChecks(deps: RegistryCheckDeps): RegistryChecks {
  const { engine, clock } = deps;
  const ask = createAsker(clock);
  const pass = createTurnstile(MAX_CONCURRENT_CHECKS);
  const recent = new Map<string, Shared>();
  const logins = new WeakMap<Credential, { readonly untilMs: number; readonly finding: Promise<Finding> }>();

  function login(address: string, credential: Credential, call: AbortSignal): Promise<Finding> {
    const known = logins.get(credential);
    if (known !== undefined && clock.steadyMs() < known.untilMs) return known.finding;
    const finding = ask('engine', address, call, (signal) => engine.login(address, credential, signal));
    logins.set(credential, { finding, untilMs: Infinity });
    void finding.then((found) => {
      const isRefused = found.kind === 'failed' && found.reason === 'Unauthorized';
      const freshMs = isRefused ? REFUSED_MS : found.kind === 'ok' ? FRESH_MS : 0;
      logins.set(credential, { finding, untilMs: clock.steadyMs() + freshMs });
    });
    return finding;
  }

  async function askEngine(
    record: RegistryRecord,
    target: CheckTarget | undefined,
    call: AbortSignal,
  ): Promise<EngineFindings> {
    const { address, credentials } = record.registry;
    const reach = await ask('engine', address, call, (signal) => engine.login(address, undefined, signal));
    if (reach.kind !== 'ok') return { reach };
    const found = await Promise.all(
      credentials.map(async (credential) => [credential, await login(address, credential, call)] as const),
    );
    const findings = { reach, logins: found.map(([{ name }, finding]) => [name, finding] as const) };
    const accepted = found.filter(([, { kind }]) => kind === 'ok').map(([credential]) => credential);
    if (target === undefined || (credentials.length > 0 && accepted.length === 0)) return findings;
    const inUse = toCredential(record);
    const credential = accepted.find(({ name }) => name === inUse?.name) ?? accepted[0];
    const manifest = await ask('engine', address, call, async (signal) => {
      const { digest } = await engine.fetchManifest({ ...target, registry: address }, credential, signal);
      return digest;
    });
    if (credential !== undefined && manifest.kind === 'failed' && manifest.reason === 'Unauthorized') {
      logins.delete(credential);
    }
    return { ...findings, manifest };
  }

  async function checkOne(
    record: RegistryRecord,
    target: CheckTarget | undefined,
    call: AbortSignal,
  ): Promise<RegistryCheck> {
    const { name, address, credentials, ca } = record.registry;
    const question: CheckQuestion = {
      name,
      address,
      username: credentials[0]?.username,
      repository: target?.repository,
    };
    const probing = new AbortController();
    const stop = (): void => probing.abort();
    void clock.sleep(QUESTION_MS, AbortSignal.any([call, probing.signal])).then(stop);
    const [findings, probe] = await Promise.all([
      askEngine(record, target, call),
      deps.probe(address, ca, probing.signal),
    ]);
    stop();
    const { relay, transports } = deps;
    const isForced = deps.toTransport() === 'relay';
    const viaRelay = await askRelay({ record, target, engine: findings, call }, { relay, transports, ask });
    const isAccepted = [findings, viaRelay].some(({ logins }) =>
      logins?.some(([, { kind }]) => kind === 'ok'),
    );
    if (record.login.kind === 'failed' && isAccepted) deps.onAccepted(name);
    return {
      address,
      isOk: (!isForced && isPullable(question, findings)) || isRelayable(question, viaRelay),
      checkedAtMs: clock.nowMs(),
      engine: judgeEngine(question, findings),
      relay: judgeRelay(question, viaRelay),
      module: judgeProbe(question, probe, findings.reach.kind === 'ok'),
    };
  }

  function checkShared(
    record: RegistryRecord,
    target: CheckTarget | undefined,
    call: AbortSignal,
  ): Promise<RegistryCheck> {
    const { registry } = record;
    const nowMs = clock.steadyMs();
    for (const [key, { endedAtMs }] of recent) {
      if (nowMs - endedAtMs >= FRESH_MS || recent.size >= MAX_RECENT) recent.delete(key);
    }
    const key = JSON.stringify([registry.name, target]);
    const known = recent.get(key);
    if (known?.registry === registry) return known.check;
    const shared: Shared = {
      registry,
      check: pass(() => checkOne(record, target, call)),
      endedAtMs: Infinity,
    };
    recent.set(key, shared);
    void shared.check.then(() => {
      shared.endedAtMs = clock.steadyMs();
      // What there was no time for is asked anew.
      if (call.aborted && recent.get(key) === shared) recent.delete(key);
    });
    return shared.check;
  }

  return {
    async check(records, target) {
      const over = new AbortController();
      const ended = new AbortController();
      void clock.sleep(CALL_MS, ended.signal).then(() => over.abort());
      try {
        await engine.ping(over.signal);
        const checks = records.map(
          async (record) => [record.registry.name, await checkShared(record, target, over.signal)] as const,
        );
        return new Map(await Promise.all(checks));
      } finally {
        ended.abort();
      }
    },
  };
}
