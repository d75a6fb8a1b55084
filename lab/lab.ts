import { findFreePort } from '#lab/free-port';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEdge } from './edge.ts';
import type { Edge } from './edge.ts';
import { startEngine } from './engine/engine.ts';
import type { Engine, EngineOptions } from './engine/engine.ts';
import type { EngineClient } from './engine/engine-client.ts';
import type { EngineFilter } from './engine/filter.ts';
import { startModule } from './module.ts';
import type { ModuleProcess } from './module.ts';
import { startRegistry } from './registry/registry.ts';
import type { Registry } from './registry/registry.ts';

type Environment = Readonly<Record<string, string>>;

/** Which parts a lab has of its own. */
export interface LabOptions {
  /** Default: one of the lab's own. */
  readonly engine?: EngineClient & { readonly dockerHost: string };
  /** Starts the lab's own engine. Default: a private dockerd, the machine's. */
  readonly startEngine?: (options: EngineOptions) => Promise<Engine>;
  /** Where the registry listens, and its name in references. Default `127.0.0.1`. */
  readonly registryHost?: string;
  /** Puts a filter between the module and the engine, whose address it is given. */
  readonly startFilter?: (dockerHost: string) => Promise<EngineFilter>;
  /** Of the shipped program. Default `dist/main.js` below the working directory. */
  readonly programPath?: string;
  /** Of Node.js, for the program. */
  readonly nodeFlags?: readonly string[];
  /** Words before the command that starts the program, such as `setpriv` with its options. */
  readonly launcher?: readonly string[];
  /** Added to the module's environment; a function is told the lab's folder. */
  readonly environment?: Environment | ((dir: string) => Environment);
  /** Whether the module's relay listens, at a port of its own. Default: where `LAB_RELAY` is `true`. */
  readonly hasRelay?: boolean;
  readonly log?: (line: string) => void;
}

/** An edge device on this machine: edgeHub, a registry on site, an engine, and the module between them. */
export interface Lab {
  readonly dir: string;
  readonly edge: Edge;
  readonly registry: Registry;
  readonly engine: EngineClient & { readonly dockerHost: string };
  /** The engine, where the lab started it itself. */
  readonly ownEngine: Engine | undefined;
  /** Where there is one, between module and engine. */
  readonly filter: EngineFilter | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** Starts the shipped program; one that runs already is to be stopped first. */
  startModule(): ModuleProcess;
  /** The one started last. */
  readonly module: ModuleProcess | undefined;
  /** Everything that any module process wrote. */
  readonly output: string;
  /** Ends everything that the lab started, and removes its folder. */
  stop(): Promise<void>;
}

/** Starts all parts but the module. What was started is ended again when a later part fails. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), 'puller-lab-'));
  const endings: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).toReversed()) await end();
  };
  try {
    const edge = await startEdge({ dir, ...(options.log === undefined ? {} : { log: options.log }) });
    endings.push(() => edge.stop());
    const registry = await startRegistry({
      dir: join(dir, 'registry'),
      ...(options.registryHost === undefined ? {} : { host: options.registryHost }),
    });
    endings.push(() => registry.close());
    const ownEngine =
      options.engine === undefined ? await (options.startEngine ?? startEngine)({ dir }) : undefined;
    if (ownEngine !== undefined) endings.push(() => ownEngine.stop());
    const engine = options.engine ?? ownEngine;
    if (engine === undefined) throw new Error('a lab needs an engine');
    const filter = await options.startFilter?.(engine.dockerHost);
    if (filter !== undefined) endings.push(() => filter.stop());
    const hasRelay = options.hasRelay ?? process.env['LAB_RELAY'] === 'true';
    const relayPort = hasRelay ? await findFreePort() : 0;
    return assemble({ relayPort, dir, edge, registry, engine, ownEngine, filter, options, endings, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

function assemble(parts: {
  readonly relayPort: number;
  readonly dir: string;
  readonly edge: Edge;
  readonly registry: Registry;
  readonly engine: Lab['engine'];
  readonly ownEngine: Engine | undefined;
  readonly filter: EngineFilter | undefined;
  readonly options: LabOptions;
  readonly endings: (() => Promise<void>)[];
  readonly stop: () => Promise<void>;
}): Lab {
  const { dir, edge, registry, engine, ownEngine, filter, options, endings, stop } = parts;
  const modules: ModuleProcess[] = [];
  const environment = {
    ...edge.environment,
    DOCKER_HOST: (filter ?? engine).dockerHost,
    XDG_RUNTIME_DIR: dir,
    HTTP_PORT: '0',
    RELAY_PORT: String(parts.relayPort),
    ...toEnvironment(options.environment, dir),
  };
  endings.push(async () => {
    for (const module of modules) if (module.ending === undefined) await module.stop();
  });
  return {
    dir,
    edge,
    registry,
    engine,
    ownEngine,
    filter,
    environment,
    startModule() {
      const { programPath = 'dist/main.js', launcher = [], nodeFlags } = options;
      const flags = nodeFlags === undefined ? {} : { nodeFlags };
      const module = startModule({ programPath, environment, launcher, ...flags });
      modules.push(module);
      return module;
    },
    get module() {
      return modules.at(-1);
    },
    get output() {
      return modules.map(({ output }) => output).join('');
    },
    stop,
  };
}

/** What a lab's options say of the environment. */
export const toEnvironment = (environment: LabOptions['environment'], dir: string): Environment =>
  typeof environment === 'function' ? environment(dir) : (environment ?? {});
