import type { Asker } from '#agent/asker';
import type { CheckTarget } from '#agent/registry-checks';
import type { Relay } from '#agent/relay-port';
import type { Transports } from '#agent/transports';
import type { EngineFindings, RelayFindings } from '#core/registry-check';
import type { RegistryRecord } from '#core/registry-record';

export interface RelayCheckDeps {
  readonly relay: Relay | undefined;
  readonly transports: Pick<Transports, 'findObstacle'>;
  readonly ask: Asker;
}

export interface RelayCheckQuestion {
  readonly record: RegistryRecord;
  readonly target: CheckTarget | undefined;
  /** What the engine found before: a password that it was refused is not tried again. */
  readonly engine: EngineFindings;
  readonly call: AbortSignal;
}

/** Whether images of a registry can come through the relay: from the engine to the module, and from there to the registry. */
export async function askRelay(
  { record, target, engine, call }: RelayCheckQuestion,
  { relay, transports, ask }: RelayCheckDeps,
): Promise<RelayFindings> {
  const { address, credentials, ca } = record.registry;
  if (relay === undefined || call.aborted) return {};
  const obstacle = await transports.findObstacle(call).catch(() => undefined);
  if (obstacle !== undefined) return { obstacle };
  const reach = await ask('module', address, call, async (signal) => {
    const { isPlainHttp } = await relay.login({ address, credential: undefined, ca }, signal);
    return isPlainHttp ? 'The registry speaks plain HTTP.' : undefined;
  });
  if (reach.kind !== 'ok') return { reach };
  const known = new Map(engine.logins);
  const found = await Promise.all(
    credentials.map(async (credential) => {
      const before = known.get(credential.name);
      if (before?.kind === 'failed' && before.reason === 'Unauthorized') return [credential, before] as const;
      const login = async (signal: AbortSignal): Promise<void> => {
        await relay.login({ address, credential, ca }, signal);
      };
      return [credential, await ask('module', address, call, login)] as const;
    }),
  );
  const findings = { reach, logins: found.map(([{ name }, finding]) => [name, finding] as const) };
  const [credential] = found.find(([, { kind }]) => kind === 'ok') ?? [];
  if (target === undefined || (credentials.length > 0 && credential === undefined)) return findings;
  const manifest = await ask('module', address, call, async (signal) => {
    const access = { address, credential, ca };
    return (await relay.fetchManifest({ ...target, registry: address }, access, signal)).digest;
  });
  return { ...findings, manifest };
}
