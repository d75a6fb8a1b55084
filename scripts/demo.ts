/**
 * `npm run demo`: shows the main job on a lab that is brought up for it and taken down again. `npm run demo -- --keep`
 * leaves the lab up to be played with.
 */
import { parseArgs } from 'node:util';
import { removeDeadSocket, toSocketPath } from '#lab/cli/control-socket';
import { keepPlant } from '#lab/cli/keep';
import { playDemo } from '#lab/demo/demo';
import { formatError, listenForEnding } from '#lab/demo/ending';
import { ensureMachine } from '#lab/demo/plant';
import { createScreen } from '#lab/demo/screen';

const { keep = false, engine } = parseOptions();
const startedAtMs = performance.now();
const ending = listenForEnding();
const screen = createScreen(process.stdout);
try {
  if (keep) await removeDeadSocket(toSocketPath('lab'));
  await import('./build.ts');
  await ensureMachine({ needsEngine: engine === undefined }, () =>
    screen.say('Installing what the lab runs on, from the packages of this system…'),
  );
  await playDemo({
    screen,
    signal: ending.signal,
    engineHost: engine,
    onPlayed: async (plant) => {
      if (keep) await keepPlant(plant, screen, ending.signal);
    },
  });
  const seconds = Math.round((performance.now() - startedAtMs) / 1000);
  screen.heading(keep ? 'Everything was seen.' : `Everything was seen, in ${seconds} s.`);
} catch (error) {
  process.exitCode = ending.signal.aborted ? ending.exitCode : 1;
  console.error(ending.signal.aborted ? '\nended before the end' : `\nnpm run demo: ${formatError(error)}`);
}

function parseOptions(): { keep?: boolean; engine?: string } {
  try {
    return parseArgs({ options: { keep: { type: 'boolean' }, engine: { type: 'string' } } }).values;
  } catch (error) {
    console.error(`${formatError(error)}\n\nnpm run demo -- [--keep] [--engine unix:///var/run/docker.sock]`);
    process.exit(2);
  }
}
