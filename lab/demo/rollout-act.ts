import type { TwinObject } from '../edge.ts';
import { CATALOGUE, toReference, sumMegabytes, toDesiredImages } from './catalogue.ts';
import type { CatalogueImage } from './catalogue.ts';
import { formatImageTable, formatJson } from './format.ts';
import { toReportedRegistry, toReportedSummary } from './reported.ts';
import { concealPasswords } from './secrets.ts';
import type { Stage } from './stage.ts';
import { see } from './stage.ts';
import { watchReported } from './watch.ts';

const DEADLINE_MS = 90_000;

/** The operator writes credentials and a list of images into the twin; the device pulls them and says so. */
export async function playRollout({ lab, login, pageUrl, screen, signal }: Stage): Promise<void> {
  screen.heading('2  The operator writes a login and a list of images into the module twin');
  const desired = {
    schemaVersion: '1.0',
    registryCredentials: { plant: login.credentials() },
    images: toDesiredImages(CATALOGUE),
    settings: { reportIntervalSeconds: 1 },
  };
  lab.edge.setDesired(desired);
  screen.show(formatJson(concealPasswords(desired, login.labels)).split('\n'));
  screen.say(
    `That is ${sumMegabytes(CATALOGUE)} MB, as layers are shared. In its reported properties the device`,
    'says where each image stands:',
    '',
  );

  const reported = await watchReported(lab, {
    board: screen.board(toTitles(CATALOGUE)),
    until: (document) => isReadyFor(document, lab.edge.desired()['$version']),
    deadlineMs: DEADLINE_MS,
    signal,
  });
  screen.say('');
  see(
    screen,
    toReportedSummary(reported).pulled === CATALOGUE.length,
    `all ${CATALOGUE.length} are Pulled: summary.ready is true for desired version ${String(reported['lastDesiredVersion'])}`,
  );

  const ready = await fetch(`${pageUrl}/readyz`, { signal });
  see(screen, ready.ok, 'so says the module at the device, without the cloud');

  screen.heading('3  What the twin reports (digests shortened)');
  screen.show(shortenDigests(formatJson(reported)).split('\n'));
  see(
    screen,
    toReportedRegistry(reported, 'plant')['credential'] === 'password',
    'the login succeeded with the first password',
  );

  await showEngine({ lab, screen });
}

/** What the images are called on the screen, by their names in the twin. */
export function toTitles(images: readonly CatalogueImage[]): ReadonlyMap<string, string> {
  return new Map(images.map(({ name, image }) => [name, image]));
}

async function showEngine({ lab, screen }: Pick<Stage, 'lab' | 'screen'>): Promise<void> {
  screen.heading('4  What the Docker engine holds, asked directly');
  const images = await lab.engine.images();
  const ours = images.filter(({ references }) =>
    references.some((reference) => reference.startsWith(`${lab.registry.address}/`)),
  );
  screen.show(formatImageTable(ours));
  const references = new Set(ours.flatMap((image) => image.references));
  see(
    screen,
    CATALOGUE.every(({ image }) => references.has(toReference(lab.registry.address, image))),
    'every image that the twin calls Pulled is there',
  );
}

function isReadyFor(reported: TwinObject, version: unknown): boolean {
  return toReportedSummary(reported).ready === true && reported['lastDesiredVersion'] === version;
}

const shortenDigests = (text: string): string => text.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…');
