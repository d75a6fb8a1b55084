import * as z from 'zod';

import { withoutNulls } from '#contract/findings';
import type { LogLevel } from '#core/desired-state';
import type { HubIdentity } from '#core/hub-identity';
import { Secret } from '#core/secret';

/** What the process is told by its environment. */
export interface Environment {
  readonly hub: HubIdentity;
  /** What `$upstream` stands for, on a device below another one. */
  readonly parentHostName?: string;
  /** `unix:///…` or `tcp://host:port`. */
  readonly dockerHost: string;
  /** A folder that outlives the container; absent where nothing is to be kept. */
  readonly storageFolder?: string;
  readonly logLevel: LogLevel;
  /** 0 = off. */
  readonly httpPort: number;
  /** 0 = off. */
  readonly relayPort: number;
}

/** Thrown for an environment that does not fit; the message names every wrong variable, and no value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/**
 * Reads the environment of the process. An empty variable counts as absent.
 *
 * @throws EnvironmentError
 */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const written = withoutNulls(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  const hub = (written['EdgeHubConnectionString'] === undefined ? Workload : ConnectionString).safeParse(
    written,
  );
  const common = Common.safeParse(written);
  if (hub.success && common.success) return { hub: hub.data, ...common.data };
  const issues = [...(hub.error?.issues ?? []), ...(common.error?.issues ?? [])];
  throw new EnvironmentError(issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '));
}

const BY_EDGE_AGENT =
  'is missing: edgeAgent sets it; outside IoT Edge set EdgeHubConnectionString (and EdgeModuleCACertificateFile) instead';

const byEdgeAgent = z.string({ error: BY_EDGE_AGENT });

const Workload = z
  .object({
    IOTEDGE_WORKLOADURI: byEdgeAgent.refine(isPlace(/^(?:unix:\/\/\/|http:\/\/)\S+$/), {
      error: 'must be unix:///path or http://host:port',
    }),
    IOTEDGE_DEVICEID: byEdgeAgent,
    IOTEDGE_MODULEID: byEdgeAgent,
    IOTEDGE_MODULEGENERATIONID: byEdgeAgent,
    IOTEDGE_IOTHUBHOSTNAME: byEdgeAgent,
    IOTEDGE_AUTHSCHEME: byEdgeAgent.regex(/^sasToken$/i, { error: 'must be sasToken' }),
    IOTEDGE_GATEWAYHOSTNAME: z.string().exactOptional(),
  })
  .transform((env): HubIdentity => ({
    kind: 'workload',
    workloadUri: env.IOTEDGE_WORKLOADURI,
    deviceId: env.IOTEDGE_DEVICEID,
    moduleId: env.IOTEDGE_MODULEID,
    generationId: env.IOTEDGE_MODULEGENERATIONID,
    iothubHostName: env.IOTEDGE_IOTHUBHOSTNAME,
    authScheme: env.IOTEDGE_AUTHSCHEME,
    ...(env.IOTEDGE_GATEWAYHOSTNAME === undefined ? {} : { gatewayHostName: env.IOTEDGE_GATEWAYHOSTNAME }),
  }));

const ConnectionString = z
  .object({
    EdgeHubConnectionString: z.string().refine(isModuleConnectionString, {
      error: 'must be HostName=…;GatewayHostName=…;DeviceId=…;ModuleId=…;SharedAccessKey=… of a module',
    }),
    EdgeModuleCACertificateFile: z.string().exactOptional(),
  })
  .transform((env): HubIdentity => ({
    kind: 'connection-string',
    connectionString: new Secret(env.EdgeHubConnectionString),
    ...(env.EdgeModuleCACertificateFile === undefined ? {} : { caFile: env.EdgeModuleCACertificateFile }),
  }));

/** Both edgeAgent's words and the module's own, whatever their case. */
const LOG_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['verbose', 'debug'],
  ['debug', 'debug'],
  ['information', 'info'],
  ['info', 'info'],
  ['warning', 'warn'],
  ['warn', 'warn'],
  ['error', 'error'],
  ['fatal', 'error'],
]);

const isLogLevel = (word: string): boolean => LOG_LEVELS.has(word.toLowerCase());
const toLogLevel = (word: string): LogLevel => LOG_LEVELS.get(word.toLowerCase()) ?? 'info';

const port = (preset: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, { error: 'must be a port from 1 to 65535, or 0 for off' })
    .transform(Number)
    .refine((number) => number <= 65_535, { error: 'must be a port from 1 to 65535, or 0 for off' })
    .default(preset);

const Common = z
  .object({
    DOCKER_HOST: z
      .string()
      .refine(isPlace(/^(?:unix:\/\/\/|tcp:\/\/|https?:\/\/)[^\s@]+$/), {
        error: 'must be unix:///path or tcp://host:port',
      })
      .default('unix:///var/run/docker.sock'),
    IOTEDGE_PARENTHOSTNAME: z
      .string()
      .regex(/^[A-Za-z0-9.-]+$/, { error: 'must be a host name, without scheme and port' })
      .exactOptional(),
    storageFolder: z.string().startsWith('/', { error: 'must be an absolute path' }).exactOptional(),
    RuntimeLogLevel: z
      .string()
      .refine(isLogLevel, { error: 'must be Verbose, Debug, Information, Warning, Error or Fatal' })
      .default('info'),
    LOG_LEVEL: z.string().refine(isLogLevel, { error: 'must be debug, info, warn or error' }).exactOptional(),
    HTTP_PORT: port(9600),
    RELAY_PORT: port(5010),
  })
  .refine(({ HTTP_PORT, RELAY_PORT }) => HTTP_PORT === 0 || HTTP_PORT !== RELAY_PORT, {
    path: ['RELAY_PORT'],
    error: 'must be another port than HTTP_PORT',
  })
  .transform((env): Omit<Environment, 'hub'> => ({
    dockerHost: env.DOCKER_HOST,
    ...(env.IOTEDGE_PARENTHOSTNAME === undefined ? {} : { parentHostName: env.IOTEDGE_PARENTHOSTNAME }),
    ...(env.storageFolder === undefined ? {} : { storageFolder: env.storageFolder }),
    // edgeAgent always sets RuntimeLogLevel: LOG_LEVEL is the one that somebody chose for this module.
    logLevel: toLogLevel(env.LOG_LEVEL ?? env.RuntimeLogLevel),
    httpPort: env.HTTP_PORT,
    relayPort: env.RELAY_PORT,
  }));

/** A socket, or a host and a port that can be. */
function isPlace(pattern: RegExp): (text: string) => boolean {
  return (text) => pattern.test(text) && (text.startsWith('unix:') || Boolean(URL.parse(text)?.hostname));
}

function isModuleConnectionString(text: string): boolean {
  const keys = text
    .split(';')
    .filter((part) => /^\w+=./.test(part))
    .map((part) => part.slice(0, part.indexOf('=')));
  return ['HostName', 'DeviceId', 'ModuleId', 'SharedAccessKey'].every((key) => keys.includes(key));
}
