/** `npm run lab -- <command>`: starts the lab or a part of it, and drives what is up. `--help` says how. */
import { parseArgs } from 'node:util';
import { formatError, listenForEnding } from '../demo/ending.ts';
import { createScreen } from '../demo/screen.ts';
import { COMMANDS } from './commands.ts';
import { commandError, toExitCode } from './errors.ts';
import { HELP } from './help.ts';

const STARTERS = { up: 'lab', edge: 'edge', registry: 'registry', engine: 'engine' } as const;

try {
  await run(parseArguments());
} catch (error) {
  process.exitCode = toExitCode(error);
  console.error(formatError(error));
}

async function run({ values, positionals }: ReturnType<typeof parseArguments>): Promise<void> {
  const [command, ...words] = positionals;
  if (values.help === true || command === undefined) {
    process.stdout.write(HELP);
    if (values.help !== true) throw commandError('usage', 'Which command?');
    return;
  }
  const starter = Object.entries(STARTERS).find(([name]) => name === command)?.[1];
  if (starter !== undefined) return start(starter, values.engine);
  const drive = Object.entries(COMMANDS).find(([name]) => name === command)?.[1];
  if (drive === undefined) throw commandError('usage', `no command ${command}: npm run lab -- --help`);
  await drive(words, { follow: values.follow === true, layers: values.layer ?? [], print: console.log });
}

async function start(
  part: (typeof STARTERS)[keyof typeof STARTERS],
  engineHost: string | undefined,
): Promise<void> {
  const ending = listenForEnding();
  try {
    if (part === 'lab') await import('../../scripts/build.ts');
    // Commands that only drive a lab do not load it.
    const { startPart } = await import('./start.ts');
    await startPart(part, { screen: createScreen(process.stdout), signal: ending.signal, engineHost });
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    process.exitCode = ending.exitCode;
    console.error('ended before it was up');
  }
}

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        engine: { type: 'string' },
        follow: { type: 'boolean', short: 'f' },
        layer: { type: 'string', multiple: true },
      },
    });
  } catch (error) {
    throw commandError('usage', `${formatError(error)}\nnpm run lab -- --help says what there is`);
  }
}
