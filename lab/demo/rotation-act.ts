import { LATECOMER, toReference } from './catalogue.ts';
import { formatJson } from './format.ts';
import { toReportedImage, toReportedRegistry } from './reported.ts';
import { toTitles } from './rollout-act.ts';
import type { Stage } from './stage.ts';
import { see } from './stage.ts';
import { watchReported } from './watch.ts';

const DEADLINE_MS = 45_000;

/** The password in use is rotated away at the registry; the second one takes over. */
export async function playRotation({ lab, login, screen, signal }: Stage): Promise<void> {
  const { edge } = lab;
  const showRegistry = (): void =>
    screen.show(
      formatJson({ registries: { plant: toReportedRegistry(edge.reported(), 'plant') } }).split('\n'),
    );

  screen.heading('5  A fault: the password in use is rotated away');
  screen.say('Until now the device logs in with the first of its two passwords:', '');
  showRegistry();
  login.rotate(1);
  edge.patchDesired({ images: { [LATECOMER.name]: LATECOMER.image } });
  screen.say(
    'Now somebody renews that password at the registry, and tells neither operator',
    `nor device. The operator adds ${LATECOMER.image} to the list:`,
    '',
  );

  const reported = await watchReported(lab, {
    board: screen.board(toTitles([LATECOMER])),
    until: (document) =>
      toReportedImage(document, LATECOMER.name)?.phase === 'Pulled' &&
      toReportedRegistry(document, 'plant')['credential'] === 'password2',
    deadlineMs: DEADLINE_MS,
    signal,
  });
  screen.say('', 'The registry refused the first password, so the module tried the second:', '');
  showRegistry();
  see(
    screen,
    toReportedRegistry(reported, 'plant')['login'] === 'Succeeded',
    'the second password took over, and the twin says that it is in use',
  );
  const image = toReference(lab.registry.address, LATECOMER.image);
  see(screen, (await lab.engine.inspect(image)) !== undefined, `the engine holds ${LATECOMER.image}`);
}
