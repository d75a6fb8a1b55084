import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startCoreMeter } from './busy-cores.ts';
import { pullByModule } from './module-turn.ts';
import { toReferences } from './scene.ts';
import type { Scene, Wanted } from './scene.ts';

/** One turn of a contender: the engine has none of the images, and shall have all. */
export interface Turn {
  readonly scene: Scene;
  readonly wanted: Wanted;
}

/** How a turn went. */
export interface TurnResult {
  /** By `performance.now()`. */
  readonly startedMs: number;
  /** Until the engine had all images: for programs, until they ended. */
  readonly seconds: number;
  /** Cores of the machine that were busy meanwhile, on average. */
  readonly busyCores: number;
  /** Commands that failed and were given again. */
  readonly retries?: number;
  /** The module alone: from the twin patch to the first request at the registry. */
  readonly firstRequestMs?: number;
  /** The module alone: CPU time from the twin patch to the last image. */
  readonly ownCpuMs?: number;
}

/** Somebody who brings images into an engine. */
export interface Contender {
  readonly name: string;
  pull(turn: Turn): Promise<TurnResult>;
}

const execute = promisify(execFile);

/** What nobody can be faster than, in this protocol and with this engine. */
export const FLOOR = 'Engine API, all at once';
/** The same for whoever pulls as many at once as `maxConcurrentPulls` is by default. */
export const FLOOR_OF_THREE = 'Engine API, 3 at once';
export const LOOP = '`docker pull` loop';
export const MODULE = 'the module';
export const WIDE_MODULE = 'the module, `maxConcurrentPulls` 16';
export const RELAYING_MODULE = 'the module, through its relay';

/** All contenders, in the order of the tables. */
export function listContenders({ hasRelay }: { readonly hasRelay: boolean }): Contender[] {
  return [
    {
      name: LOOP,
      pull: byShell('for image in "$@"; do until docker pull -q "$image"; do echo again >&2; done; done'),
    },
    {
      name: '`xargs -P3 docker pull`',
      pull: byShell(
        `printf '%s\\n' "$@" | xargs -P3 -I{} sh -c 'until docker pull -q {}; do echo again >&2; done'`,
      ),
    },
    { name: '`docker-compose pull`', pull: byCompose },
    {
      name: '`skopeo copy` to the engine, a loop',
      pull: byShell(
        `for image in "$@"; do until skopeo copy -q --src-tls-verify=false --authfile "$DOCKER_CONFIG/config.json" \
--dest-daemon-host "$DOCKER_HOST" "docker://$image" "docker-daemon:$image"; do echo again >&2; done; done`,
      ),
    },
    { name: FLOOR_OF_THREE, pull: (turn) => byApi(turn, 3) },
    { name: FLOOR, pull: (turn) => byApi(turn, Infinity) },
    { name: MODULE, pull: (turn) => pullByModule(turn, { transport: 'engine' }) },
    {
      name: WIDE_MODULE,
      pull: (turn) => pullByModule(turn, { transport: 'engine', maxConcurrentPulls: 16 }),
    },
    ...(hasRelay
      ? [
          {
            name: RELAYING_MODULE,
            pull: (turn: Turn) => pullByModule(turn, { transport: 'relay' }),
          },
        ]
      : []),
  ];
}

/** A person repeats a command that fails. */
function byShell(script: string): Contender['pull'] {
  return ({ scene, wanted }) => time(scene, 'sh', ['-c', script, 'sh', ...toReferences(scene, wanted)]);
}

async function byCompose({ scene, wanted }: Turn): Promise<TurnResult> {
  const dir = join(scene.dir, 'compose');
  await mkdir(dir, { recursive: true });
  const services = Object.fromEntries(
    toReferences(scene, wanted).map((image, index) => [`service-${index}`, { image }]),
  );
  const path = join(dir, 'docker-compose.yml');
  await writeFile(path, JSON.stringify({ version: '3', services }));
  const script = 'until docker-compose -f "$1" pull -q; do echo again >&2; done';
  return time(scene, 'sh', ['-c', script, 'sh', path]);
}

async function time(scene: Scene, command: string, args: readonly string[]): Promise<TurnResult> {
  const startedMs = performance.now();
  const toBusyCores = startCoreMeter();
  const env = { ...process.env, DOCKER_HOST: scene.engine.dockerHost, DOCKER_CONFIG: scene.dockerConfigDir };
  const { stderr } = await execute(command, args, { env, maxBuffer: 64 * 1024 ** 2 });
  const retries = stderr.split('\n').filter((line) => line === 'again').length;
  const busyCores = toBusyCores();
  return { startedMs, seconds: (performance.now() - startedMs) / 1000, busyCores, retries };
}

/** So many calls in flight at once, each repeated until it succeeds. */
async function byApi({ scene, wanted }: Turn, width: number): Promise<TurnResult> {
  const queue = toReferences(scene, wanted);
  const credentials = { username: scene.plant.username, password: scene.plant.password };
  let retries = 0;
  const startedMs = performance.now();
  const toBusyCores = startCoreMeter();
  const work = async (): Promise<void> => {
    for (let reference = queue.shift(); reference !== undefined; reference = queue.shift()) {
      while ((await scene.engine.pull(reference, { credentials })).error !== undefined) retries += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, queue.length) }, work));
  const busyCores = toBusyCores();
  return { startedMs, seconds: (performance.now() - startedMs) / 1000, busyCores, retries };
}
