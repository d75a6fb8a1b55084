import { mkdir, rm } from 'node:fs/promises';
import type { LabProcess, ProcessOptions } from '../processes.ts';
import { startProcess } from '../processes.ts';
import type { Engine } from './engine.ts';
import { createEngineClient } from './engine-client.ts';

/** What {@link runEngine} takes. */
export interface EngineRun extends Pick<ProcessOptions, 'command' | 'args' | 'env' | 'logPath'> {
  readonly socketPath: string;
  readonly dataRoot: string;
  /** For sockets and the like: made before each start, and removed when the engine has ended. */
  readonly runDir: string;
  /** When the engine has ended. */
  readonly cleanUp?: () => Promise<void>;
}

/**
 * Starts an engine's daemon and waits until it answers.
 * @throws with the end of its log when it does not come up within 30 s.
 */
export async function runEngine(run: EngineRun): Promise<Engine> {
  const { socketPath, dataRoot, logPath, runDir } = run;
  const client = createEngineClient(`unix://${socketPath}`);
  const isReady = (): Promise<boolean> =>
    client.version().then(
      () => true,
      () => false,
    );
  const cleanUp = async (): Promise<void> => {
    await run.cleanUp?.();
    // With it goes the pid of a daemon that was killed, which a later process may have.
    await rm(runDir, { recursive: true, force: true });
  };
  const start = async (): Promise<LabProcess> => {
    await mkdir(runDir, { recursive: true });
    return startProcess({ ...run, isReady }).catch(async (error: unknown) => {
      await cleanUp();
      throw error;
    });
  };
  let daemon = await start();
  const stop = async (): Promise<void> => {
    await daemon.stop();
    await cleanUp();
  };
  return {
    ...client,
    socketPath,
    dataRoot,
    logPath,
    get pid() {
      return daemon.pid;
    },
    pause: () => daemon.signal('SIGSTOP'),
    resume: () => daemon.signal('SIGCONT'),
    stop,
    async start() {
      if (daemon.ending !== undefined) daemon = await start();
    },
    async restart() {
      await stop();
      daemon = await start();
    },
  };
}
