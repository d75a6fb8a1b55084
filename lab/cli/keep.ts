import type { Plant } from '../demo/plant.ts';
import type { Screen } from '../demo/screen.ts';
import { keep } from './keeper.ts';
import { savePasswords } from './password-files.ts';

/** Things to try, each a command. */
const toSuggestions = ({ lab, pageUrl }: Plant): readonly (readonly [string, readonly string[]])[] => [
  [
    'See it as a technician does, live in a browser or by a command:',
    [pageUrl, `XDG_RUNTIME_DIR=${lab.dir} npx node dist/cli.js status`],
  ],
  [
    'Make an image, ask for it, see it come, and take it away, off the disk too:',
    [
      'npm run lab -- images push acme/mine:1 --layer os:12 --layer mine:20',
      `npm run lab -- twin patch '{"images":{"mine":"acme/mine:1"}}'`,
      'npm run lab -- reported',
      `npm run lab -- twin patch '{"images":{"mine":null}}'`,
      `npm run lab -- method RemoveImages '{"images":["mine"]}'`,
    ],
  ],
  [
    'Break something, see what is made of it, and heal it:',
    [
      'npm run lab -- images push acme/late:1 --layer late:5',
      'npm run lab -- fault registry away on',
      `npm run lab -- twin patch '{"images":{"late":"acme/late:1"}}'`,
      'npm run lab -- method CheckRegistry',
      'npm run lab -- logs --follow',
      'npm run lab -- fault registry away off',
      `npm run lab -- method PullImages '{"images":["late"]}'`,
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
        for (const [what, commands] of toSuggestions(plant)) {
          screen.say(what);
          screen.show(commands);
        }
      },
    },
  );
}
