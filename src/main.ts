import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { serveControl } from '#adapters/control-server';
import { createDockerEngine } from '#adapters/docker';
import { createIotHub } from '#adapters/iothub';
import { createFileStore } from '#adapters/file-store';
import { createHttpServer } from '#adapters/http-server';
import { createLogger } from '#adapters/logger';
import type { Logger } from '#adapters/logger';
import { probeRegistry } from '#adapters/registry-probe';
import { systemClock } from '#adapters/system-clock';
import { createWorkloadSealer, noSealer } from '#adapters/workload-crypto';
import { createAgent } from '#agent/agent';
import type { Log } from '#agent/ports';
import type { Relay } from '#agent/relay-port';
import { toSteady } from '#agent/ports';
import type { Agent, AgentDeps } from '#agent/agent';
import { EnvironmentError, parseEnvironment } from '#contract/environment';
import type { Environment } from '#contract/environment';
import { toControlPath } from '#core/control-path';
import { toHubNames } from '#core/hub-identity';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import { findHost } from '#relay/addresses';
import { createBlobs } from '#relay/blobs';
import { openKeptBytes } from '#relay/kept-bytes';
import type { KeptBytes } from '#relay/kept-bytes';
import { createRelay } from '#relay/relay';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import { createRoutes } from '#web/routes';
import packageJson from '../package.json' with { type: 'json' };

/** edgeAgent gives a module 10 s from SIGTERM to SIGKILL. */
const SHUTDOWN_MS = 9000;

const EXIT_FAULT = 1;
const EXIT_BAD_ENVIRONMENT = 2;

// The bundle is CommonJS, where nothing can be awaited here.
void main();

async function main(): Promise<void> {
  const environment = readEnvironment();
  const log = createLogger(environment.logLevel, (line) => process.stdout.write(line));
  // A log that nobody reads any more is no reason to end.
  process.stdout.on('error', () => undefined);
  const ending = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      log.info({ signal: name }, 'ending');
      ending.abort();
      setTimeout(() => process.exit(0), SHUTDOWN_MS).unref();
    });
  }
  try {
    await run(environment, log, ending.signal);
  } catch (error) {
    log.fatal({ err: error }, 'unexpected error; the module ends');
    process.exit(ending.signal.aborted ? 0 : EXIT_FAULT);
  }
  log.info({}, 'ended');
  process.exit(0);
}

async function run(environment: Environment, log: Logger, ending: AbortSignal): Promise<void> {
  const { version } = packageJson;
  log.info(
    { version, node: process.version, engine: environment.dockerHost },
    'connected-registry-puller starts',
  );

  const hub = createIotHub({
    identity: environment.hub,
    clock: toSteady(systemClock),
    log: log.child({ component: 'hub' }),
    productInfo: `connected-registry-puller/${version}`,
  });
  // The SDK throws where nobody can catch; a new client is the cure, and an end would cost one of edgeAgent's restarts.
  const survive = (error: unknown): void => {
    log.error({ err: error }, 'unexpected error; the hub client is built anew');
    hub.rebuild();
  };
  process.on('uncaughtException', survive);
  process.on('unhandledRejection', survive);

  const { relay, setMinFreeBytes } = await openRelay(environment, log.child({ component: 'relay' }));
  const agent = createAgent({
    hub,
    relay,
    setMinFreeBytes,
    engine: createDockerEngine({ dockerHost: environment.dockerHost, findHost, log }),
    probe: probeRegistry,
    clock: systemClock,
    log,
    version,
    parentHostName: environment.parentHostName,
    ...toMemory(environment, log),
    setLogLevel: (level) => log.setLevel(level),
    createId: randomUUID,
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
  });
  hub.setMethods(agent.methods);

  const endControl = await serveControl({ ...toControlPath(process.env), methods: agent.methods, log });
  const closing = new AbortController();
  const beside = [
    hub.run(closing.signal),
    relay.run(closing.signal),
    serveHttp(environment, agent, log, closing.signal),
  ];
  await agent.run(ending);
  closing.abort();
  await Promise.all([...beside, endControl()]);
}

async function serveHttp(
  { httpPort: port, hub }: Environment,
  agent: Agent,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (port === 0) return;
  const names = toHubNames(hub);
  const routes = createRoutes(agent, { ...names, instance: randomUUID(), nodeVersion: process.version });
  const hostNames = [hostname(), names.gateway];
  await createHttpServer({ port, routes, hostNames, clock: systemClock, log }).run(signal);
}

/** The relay, which listens for nobody yet. */
async function openRelay(
  { relayPort, storageFolder }: Environment,
  log: Log,
): Promise<Required<Pick<AgentDeps, 'relay' | 'setMinFreeBytes'>>> {
  let minFreeBytes = DEFAULT_SETTINGS.minFreeDiskMB * 1_000_000;
  let kept: KeptBytes | undefined;
  if (storageFolder !== undefined) {
    const folder = join(storageFolder, 'relay');
    try {
      kept = await openKeptBytes({ folder, minFreeBytes: () => minFreeBytes, clock: systemClock });
    } catch (error) {
      log.warn(
        { folder, err: error },
        'what the relay fetches cannot be kept: a restart in mid-pull begins anew',
      );
    }
  }
  const bucket = createTokenBucket(systemClock);
  const blobs = createBlobs({ bucket, kept, clock: systemClock, log });
  const httpsAddresses = new Set<string>();
  const relay: Relay = createRelay({
    port: relayPort === 0 ? undefined : relayPort,
    openUpstream: (access) => createUpstream({ access, httpsAddresses, clock: systemClock }),
    blobs,
    isKeeping: kept !== undefined,
    bucket,
    clock: systemClock,
    log,
  });
  return { relay, setMinFreeBytes: (sizeBytes) => (minFreeBytes = sizeBytes) };
}

function toMemory({ storageFolder, hub }: Environment, log: Logger): Pick<AgentDeps, 'memory'> {
  if (storageFolder === undefined) {
    log.info(
      {},
      'no storageFolder: after a restart nothing is pulled before edgeHub answers, retry times begin anew, and images pulled before stay though unlisted',
    );
    return {};
  }
  const sealer = hub.kind === 'workload' ? createWorkloadSealer(hub) : noSealer;
  return { memory: { store: createFileStore(storageFolder), sealer } };
}

function readEnvironment(): Environment {
  try {
    return parseEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    createLogger('info', (line) => process.stdout.write(line)).fatal(error.message);
    process.exit(EXIT_BAD_ENVIRONMENT);
  }
}
