import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSocketDir } from '../socket-dir.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { seeEtcDir } from './etc-dir.ts';
import { runEngine } from './run-engine.ts';

/** What {@link startPodman} takes. */
export interface PodmanOptions {
  /** An existing folder for all that Podman keeps. It outlives Podman; whoever made it removes it. */
  readonly dir: string;
  readonly podmanPath: string;
  /** As {@link EngineOptions} has it: Podman looks for authorities there too. */
  readonly etcDir?: EngineOptions['etcDir'];
}

/** Every file that Podman would otherwise look for on the machine. Registries on loopback may speak plain HTTP. */
const FILES = {
  'containers.conf': '[engine]\nevents_logger = "file"\n',
  'registries.conf': ['127.0.0.1', 'localhost']
    .map((host) => `[[registry]]\nprefix = "${host}"\nlocation = "${host}"\ninsecure = true\n`)
    .join('\n'),
  '.config/containers/policy.json': '{"default":[{"type":"insecureAcceptAnything"}]}',
};

/**
 * Starts Podman's Docker-compatible service, which shares nothing with the machine's Podman, and waits until it
 * answers. Needs root.
 * @throws with the end of its log when it does not come up within 30 s.
 */
export async function startPodman({ dir, podmanPath, etcDir }: PodmanOptions): Promise<Engine> {
  const dataRoot = join(dir, 'data');
  const homeDir = join(dir, 'home');
  const logPath = join(dir, 'podman.log');
  const runDir = await makeSocketDir(join(dir, 'run'), 'podman.sock');
  const socketPath = join(runDir, 'podman.sock');
  await mkdir(join(homeDir, '.config/containers'), { recursive: true });
  await mkdir(join(homeDir, 'tmp'), { recursive: true });
  const storage = { driver: 'overlay', graphroot: dataRoot, runroot: join(runDir, 'storage') };
  const files = { ...FILES, 'storage.conf': formatTomlTable('storage', storage) };
  for (const [name, text] of Object.entries(files)) await writeFile(join(homeDir, name), text);

  const args = [
    `--tmpdir=${join(runDir, 'engine')}`,
    'system',
    'service',
    '--time=0',
    `unix://${socketPath}`,
  ];
  return runEngine({
    ...seeEtcDir(etcDir, { command: podmanPath, args }),
    env: {
      HOME: homeDir,
      TMPDIR: join(homeDir, 'tmp'),
      CONTAINERS_CONF: join(homeDir, 'containers.conf'),
      CONTAINERS_REGISTRIES_CONF: join(homeDir, 'registries.conf'),
      CONTAINERS_STORAGE_CONF: join(homeDir, 'storage.conf'),
    },
    socketPath,
    dataRoot,
    logPath,
    runDir,
  });
}

/** A TOML table of texts without quotes. */
const formatTomlTable = (name: string, values: Readonly<Record<string, string>>): string =>
  [`[${name}]`, ...Object.entries(values).map(([key, value]) => `${key} = "${value}"`), ''].join('\n');
