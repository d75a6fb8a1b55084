import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { DockerHost } from '../engine/engine-api.ts';
import { callEngine, callEngineJson } from '../engine/engine-api.ts';

/** What {@link startContainer} takes. */
export interface ContainerOptions {
  readonly dockerHost: DockerHost;
  readonly image: string;
  /** As in a deployment manifest. */
  readonly createOptions: {
    readonly HostConfig: Readonly<Record<string, unknown>>;
    readonly Healthcheck?: Readonly<Record<string, unknown>>;
    readonly NetworkingConfig?: Readonly<Record<string, unknown>>;
    readonly Entrypoint?: readonly string[];
  };
  /** What edgeAgent and the deployment manifest put into it. */
  readonly environment: Readonly<Record<string, string>>;
  /** The engine's socket on this machine, bound in where `createOptions` bind `/var/run/docker.sock`. */
  readonly socketPath: string;
  /** The engine's network that edgeAgent puts it into, unless `createOptions` name one. Default: the host's. */
  readonly network?: string | undefined;
}

/** How a container is doing. */
export interface ContainerState {
  readonly running: boolean;
  /** 0 while it runs. */
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** As its HEALTHCHECK says: `starting`, `healthy` or `unhealthy`. */
  readonly health: string | undefined;
  /** Of its init as this machine sees it, 0 when it does not run. */
  readonly pid: number;
  /** IPv4, by the engine's network. */
  readonly addresses: Readonly<Record<string, string>>;
}

/** How a program ended that was run in a container. */
export interface ExecResult {
  readonly exitCode: number;
  /** Both streams. */
  readonly output: string;
}

/** The module in a container. */
export interface Container {
  readonly id: string;
  /** What the engine was told of it, but for its environment. */
  readonly createOptions: Readonly<Record<string, unknown>>;
  state(): Promise<ContainerState>;
  /** Both streams, as far as they were written. */
  logs(): Promise<string>;
  /** Runs a program in it, as `docker exec` does. */
  exec(...command: string[]): Promise<ExecResult>;
  /** The process below its init, as this machine sees it. */
  programPid(): Promise<number>;
  /** SIGTERM, and SIGKILL after 10 s, as edgelet does it. */
  stop(): Promise<ContainerState>;
  /** Kills and removes it, and its named volumes. */
  remove(): Promise<void>;
}

/**
 * Starts a module as edgeAgent does: with the workload API's socket bound in and its label on the container, and in the
 * network that edgeAgent is told of.
 * @see https://github.com/Azure/iotedge/blob/1.5.0/edge-agent/src/Microsoft.Azure.Devices.Edge.Agent.Edgelet.Docker/CombinedEdgeletConfigProvider.cs
 */
export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { dockerHost, createOptions, environment } = options;
  const call = (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) =>
    callEngineJson(dockerHost, { method, path, body });

  const { binds, volumes } = readBinds(createOptions.HostConfig['Binds'], options.socketPath);
  const workload = new URL(environment['IOTEDGE_WORKLOADURI'] ?? 'http://none');
  const asked = {
    ...createOptions,
    Image: options.image,
    Labels: { 'net.azure-devices.edge.owner': 'Microsoft.Azure.Devices.Edge.Agent' },
    HostConfig: {
      ...createOptions.HostConfig,
      Binds: workload.protocol === 'unix:' ? [...binds, `${workload.pathname}:${workload.pathname}`] : binds,
      // An engine without a bridge has no gateway to the host: the host is this network itself.
      ...(options.network === undefined ? { NetworkMode: 'host', ExtraHosts: [] } : {}),
    },
    ...(options.network === undefined
      ? {}
      : {
          NetworkingConfig: createOptions.NetworkingConfig ?? { EndpointsConfig: { [options.network]: {} } },
        }),
  };
  const created = await call('POST', '/containers/create', {
    ...asked,
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
  });
  const { Id: id } = created as { Id: string };
  const path = `/containers/${id}`;
  const state = async () => toState(await call('GET', `${path}/json`));
  const container: Container = {
    id,
    createOptions: asked,
    state,
    async logs() {
      const { body } = await callEngine(dockerHost, { path: `${path}/logs?stdout=1&stderr=1` });
      return decodeLogs(await buffer(body));
    },
    exec: (...command) =>
      new Promise((resolve) => {
        const args = ['--host', dockerHost, 'exec', id, ...command];
        execFile('docker', args, (error, output, errors) => {
          resolve({ exitCode: error === null ? 0 : Number(error.code), output: output + errors });
        });
      }),
    async programPid() {
      const { pid } = await state();
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      const [child] = children.trim().split(' ').map(Number);
      if (child === undefined || child === 0) throw new Error('the container runs nothing but its init');
      return child;
    },
    async stop() {
      await call('POST', `${path}/stop?t=10`);
      return state();
    },
    async remove() {
      await call('DELETE', `${path}?force=true`);
      for (const volume of volumes) await call('DELETE', `/volumes/${volume}`);
    },
  };
  await call('POST', `${path}/start`).catch(async (error: unknown) => {
    await container.remove();
    throw error;
  });
  return container;
}

function readBinds(written: unknown, socketPath: string): { binds: string[]; volumes: string[] } {
  const binds = (Array.isArray(written) ? (written as string[]) : []).map((bind) =>
    bind.replace(/^\/var\/run\/docker\.sock:/, `${socketPath}:`),
  );
  return { binds, volumes: binds.flatMap((bind) => /^([^/:]+):/.exec(bind)?.[1] ?? []) };
}

function toState(answer: unknown): ContainerState {
  const { State, NetworkSettings } = answer as {
    NetworkSettings: { Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
    State: {
      Running: boolean;
      ExitCode: number;
      OOMKilled: boolean;
      Pid: number;
      Health?: { Status: string };
    };
  };
  return {
    running: State.Running,
    exitCode: State.ExitCode,
    outOfMemory: State.OOMKilled,
    health: State.Health?.Status,
    pid: State.Pid,
    addresses: Object.fromEntries(
      Object.entries(NetworkSettings.Networks).map(([name, { IPAddress }]) => [name, IPAddress]),
    ),
  };
}

const FRAME_HEADER_BYTES = 8;

/**
 * Takes the text out of the frames that both streams come in.
 * @see https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
function decodeLogs(frames: Buffer): string {
  const texts: Buffer[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= frames.length;) {
    const from = at + FRAME_HEADER_BYTES;
    at = from + frames.readUInt32BE(at + 4);
    texts.push(frames.subarray(from, at));
  }
  return Buffer.concat(texts).toString('utf8');
}
