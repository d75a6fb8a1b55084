import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** What {@link startModule} takes. */
export interface ModuleOptions {
  /** Of the shipped program, `dist/main.js`. */
  readonly programPath: string;
  /** What edgeAgent and the operator would put into the container's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Default: the Node that runs this. */
  readonly nodePath?: string;
  /** Default: those without which warnings would stand in the log. */
  readonly nodeFlags?: readonly string[];
  /** Words before the command. What they name is to become the program, and not its parent. */
  readonly launcher?: readonly string[];
}

/** The shipped program, running as its container would run it. */
export interface ModuleProcess {
  readonly pid: number;
  /** Everything that it wrote, both streams. */
  readonly output: string;
  /** `undefined` while it runs. */
  readonly ending: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  /** SIGTERM; resolves when it has ended. SIGKILL follows after 15 s, as edgeAgent's would after 10. */
  stop(): Promise<NonNullable<ModuleProcess['ending']>>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

const NODE_FLAGS = ['--disable-warning=DEP0169'];
const KILL_AFTER_MS = 15_000;

/** Starts the shipped program. Its environment holds nothing but what is given, and the path to programs. */
export function startModule(options: ModuleOptions): ModuleProcess {
  const { programPath, environment, nodePath = process.execPath, launcher = [] } = options;
  const { nodeFlags = NODE_FLAGS } = options;
  const chunks: Buffer[] = [];
  let ending: ModuleProcess['ending'];
  const [command, ...args] = [...launcher, nodePath, ...nodeFlags, programPath];
  const child: ChildProcess = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', ...environment },
  });
  const end = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', end);
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<NonNullable<ModuleProcess['ending']>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('exit', end);
      ending = { code, signal };
      resolve(ending);
    });
  });
  return {
    pid: child.pid ?? 0,
    get output() {
      return Buffer.concat(chunks).toString('utf8');
    },
    get ending() {
      return ending;
    },
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(end, KILL_AFTER_MS);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
    async kill() {
      end();
      await ended;
    },
  };
}
