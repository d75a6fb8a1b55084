import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram } from '../programs.ts';
import { makeSocketDir } from '../socket-dir.ts';
import type { EngineClient } from './engine-client.ts';
import { createEngineClient } from './engine-client.ts';
import { seeEtcDir } from './etc-dir.ts';
import { inOwnNetwork } from './own-network.ts';
import { runEngine } from './run-engine.ts';

/** What {@link startEngine} takes. */
export interface EngineOptions {
  /** An existing folder for all that the engine keeps. It outlives the engine; whoever made it removes it. */
  readonly dir: string;
  /** Default: the `dockerd` of the machine. Another version finds its helpers in the same folder. */
  readonly dockerdPath?: string;
  /** Keeps images in containerd instead of a graph driver, from Docker 24 on. Default: the engine's own. */
  readonly containerdSnapshotter?: boolean;
  /**
   * An existing folder that the engine sees in the place of `/etc/docker`: its `certs.d/<host:port>/*.crt` are looked at
   * with each request. Default: the machine's, which has to be there in any case.
   */
  readonly etcDir?: string;
  /**
   * Whether it has a network of its own, with bridges and published ports, as on a device; see `doors.ts` for the way
   * in. Default: it is in this network, and its containers have no other.
   */
  readonly hasNetwork?: boolean;
  /** Further entries of daemon.json, such as `max-concurrent-downloads` or `insecure-registries`. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A Docker engine of its own that shares nothing with the machine's one. */
export interface Engine extends EngineClient {
  readonly socketPath: string;
  readonly dataRoot: string;
  readonly logPath: string;
  /** Of dockerd. */
  readonly pid: number;
  /** SIGSTOP: the socket accepts, and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Ends dockerd and what it mounted. Images stay. */
  stop(): Promise<void>;
  /** Starts a stopped engine again, with its images. */
  start(): Promise<void>;
  /** Stops and starts. */
  restart(): Promise<void>;
}

/** Nothing of this network is changed. */
const NO_NETWORK = [
  '--bridge=none',
  '--iptables=false',
  '--ip6tables=false',
  '--ip-masq=false',
  '--ip-forward=false',
];

/**
 * Starts a private dockerd and waits until it answers. Needs root.
 * @throws with the end of dockerd's log when it does not come up within 30 s.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const dockerdPath = options.dockerdPath ?? (await findProgram('dockerd'));
  if (dockerdPath === undefined) throw new Error('no dockerd: install docker.io');

  const dataRoot = join(options.dir, 'data');
  const logPath = join(options.dir, 'dockerd.log');
  const configPath = join(options.dir, 'daemon.json');
  const runDir = await makeSocketDir(join(options.dir, 'run'), 'exec/containerd/containerd-debug.sock');
  const execRoot = join(runDir, 'exec');
  const socketPath = join(runDir, 'docker.sock');
  await mkdir(dataRoot, { recursive: true });
  await writeFile(configPath, JSON.stringify(toDaemonConfig(options)));
  const args = [
    `--config-file=${configPath}`,
    `--host=unix://${socketPath}`,
    `--data-root=${dataRoot}`,
    `--exec-root=${execRoot}`,
    `--pidfile=${join(runDir, 'docker.pid')}`,
    ...(options.hasNetwork === true ? [] : NO_NETWORK),
  ];
  const command = { command: dockerdPath, args };
  return runEngine({
    ...seeEtcDir(options.etcDir, options.hasNetwork === true ? inOwnNetwork(command) : command),
    env: {
      PATH: `${dirname(dockerdPath)}${delimiter}${process.env['PATH'] ?? ''}`,
      // Where a containerd that answers too slowly is made to write down its stacks.
      TMPDIR: options.dir,
    },
    socketPath,
    dataRoot,
    logPath,
    runDir,
    cleanUp: () => unmountBelow([dataRoot, execRoot]),
  });
}

/**
 * The engine that is already there.
 * @throws when nothing answers at `dockerHost`.
 */
export async function connectEngine(dockerHost = 'unix:///var/run/docker.sock'): Promise<EngineClient> {
  const client = createEngineClient(dockerHost);
  await client.version();
  return client;
}

function toDaemonConfig(options: EngineOptions): Record<string, unknown> {
  const { containerdSnapshotter } = options;
  return {
    ...(containerdSnapshotter === undefined
      ? {}
      : { features: { 'containerd-snapshotter': containerdSnapshotter } }),
    ...options.config,
  };
}

/** What a killed dockerd leaves mounted would keep its folders from being removed. */
async function unmountBelow(dirs: readonly string[]): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .filter((path) => dirs.some((dir) => path === dir || path.startsWith(`${dir}/`)));
  for (const path of mounts.toReversed()) {
    await promisify(execFile)('umount', ['--lazy', path]).catch(() => undefined);
  }
}
