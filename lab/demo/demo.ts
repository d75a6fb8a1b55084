import { existsSync } from 'node:fs';
import { CATALOGUE, LATECOMER, pushImage } from './catalogue.ts';
import { isRunning } from './is-running.ts';
import type { Plant } from './plant.ts';
import { startPlant } from './plant.ts';
import { playRollout } from './rollout-act.ts';
import { playRotation } from './rotation-act.ts';
import type { Screen } from './screen.ts';
import type { Stage } from './stage.ts';
import { see } from './stage.ts';

/** What {@link playDemo} takes. */
export interface DemoOptions {
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** An engine that is already there; by default a private one is started. */
  readonly engineHost: string | undefined;
  /** Called after the last act, before everything is ended. */
  readonly onPlayed: (plant: Plant) => Promise<void>;
}

/** Slow enough for the bars to be seen. */
const REGISTRY_BYTES_PER_SECOND = 2_500_000;

const LAST_LOG_LINES = 12;

/**
 * Plays the main job and one fault on a lab of its own, and ends everything that it started.
 * @throws when something that was to be seen was not, and when the signal is aborted
 */
export async function playDemo({ screen, signal, engineHost, onPlayed }: DemoOptions): Promise<void> {
  screen.heading('1  A device on this machine');
  const plant = await startPlant(engineHost);
  const stage: Stage = { ...plant, screen, signal };
  try {
    await startDevice(stage);
    await playRollout(stage);
    await playRotation(stage);
    await onPlayed(plant);
    screen.heading('6  The end');
    await endModule(stage);
  } catch (error) {
    if (!signal.aborted) showLog(stage);
    throw error;
  } finally {
    await plant.stop();
  }
  see(screen, isGone(plant), 'the lab is gone, and nothing is left running');
}

async function startDevice({ lab, pageUrl, screen, signal }: Stage): Promise<void> {
  const { edge, engine, ownEngine, registry } = lab;
  signal.throwIfAborted();
  screen.tick(`edgeHub and its workload API, at ${edge.environment['IOTEDGE_GATEWAYHOSTNAME'] ?? ''}`);
  screen.tick(
    `a Docker engine, ${await engine.version()}, ${ownEngine === undefined ? 'that was there' : 'of its own'}`,
  );
  const images = [...CATALOGUE, LATECOMER];
  for (const image of images) {
    signal.throwIfAborted();
    await pushImage(registry, image);
  }
  registry.faults.totalBytesPerSecond = REGISTRY_BYTES_PER_SECOND;
  const rate = `${REGISTRY_BYTES_PER_SECOND / 1e6} MB/s`;
  screen.tick(`a registry on site, ${registry.address}: ${images.length} images, a login, ${rate}`);
  const { pid } = lab.startModule();
  screen.tick(`the module: node dist/main.js, process ${pid}`);
  screen.tick(`its status page, for a browser: ${pageUrl}`);
}

async function endModule({ lab, login, screen }: Stage): Promise<void> {
  const ending = await lab.module?.stop();
  see(screen, ending?.code === 0, 'the module ended when it was told to, with exit code 0');
  const { reports, telemetry } = lab.edge;
  const written = `${lab.output}${JSON.stringify({ reports, telemetry })}${screen.told}`;
  see(
    screen,
    ![...login.labels.values()].some((password) => written.includes(password)),
    'no password stands in its log, in its reports or on this screen',
  );
}

function isGone({ lab }: Plant): boolean {
  const pids = [lab.module?.pid, lab.ownEngine?.pid].filter((pid) => pid !== undefined);
  return !existsSync(lab.dir) && !pids.some(isRunning);
}

function showLog({ lab, login, screen }: Stage): void {
  const lines = lab.output.trimEnd().split('\n').slice(-LAST_LOG_LINES);
  const conceal = (line: string): string =>
    [...login.labels].reduce((text, [label, password]) => text.replaceAll(password, label), line);
  screen.say('', 'What the module wrote last:', '');
  screen.show(lines.map(conceal));
}
