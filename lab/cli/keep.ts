import type { Plant } from '../demo/plant.ts';
import type { Screen } from '../demo/screen.ts';
import { keep } from './keeper.ts';
import { savePasswords } from './password-files.ts';

/** Things to try, each a command. */
const SUGGESTIONS: readonly (readonly [string, readonly string[]])[] = [
  [
    'Ask for one more image, or take one away:',
    [
      `npm run lab -- twin patch '{"images":{"analytics":"acme/analytics:0.1"}}'`,
      `npm run lab -- twin patch '{"images":{"camera":null}}'`,
    ],
  ],
  ['See what the device says:', ['npm run lab -- reported', 'npm run lab -- logs --follow']],
  [
    'Call a direct method:',
    [`npm run lab -- method PullImages '{"force":true}'`, 'npm run lab -- method GetStatus'],
  ],
  [
    'Break something, see what is reported, and heal it:',
    [
      'npm run lab -- fault registry away on',
      'npm run lab -- password rotate 2',
      'npm run lab -- fault registry away off',
    ],
  ],
  ['All commands, and the end:', ['npm run lab -- --help', 'npm run lab -- stop']],
];

/** Keeps a plant up until Ctrl-C or `npm run lab -- stop`, and says how to play with it. */
export async function keepPlant(plant: Plant, screen: Screen, signal: AbortSignal): Promise<void> {
  const { lab, login } = plant;
  await savePasswords(lab.dir, login);
  const { edge, registry } = lab;
  await keep(
    'lab',
    { edge, registry, login, passwordDir: lab.dir, output: () => lab.output },
    {
      signal,
      onReady() {
        screen.heading('The lab is up, until Ctrl-C. From another terminal, in this folder:');
        for (const [what, commands] of SUGGESTIONS) {
          screen.say(what);
          screen.show(commands);
        }
      },
    },
  );
}
