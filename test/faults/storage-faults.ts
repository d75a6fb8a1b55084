import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Fault } from './fault.ts';
import type { Stage, StageOptions } from './stage.ts';

const run = promisify(execFile);
const group = 'the module itself';

const toFolder = ({ dir }: Pick<Stage, 'dir'>): string => join(dir, 'storage');
const toFile = (stage: Stage): string => join(toFolder(stage), 'memory.json');

/** The module keeps what it knows in a folder of the lab's. */
export const storageLab: StageOptions = { environment: (dir) => ({ storageFolder: toFolder({ dir }) }) };

const WORKS_ON = 'the module works without it';

/** Waits until the module has said that it goes on without its folder, and the image was pulled all the same. */
const untilPulled =
  (words: string) =>
  async (stage: Stage): Promise<string> => {
    await stage.until(`“${words}” in the log`, () => stage.process().output.includes(words));
    await stage.waitForPhase(stage.latest(), 'Pulled');
    return `the log says “${words}”; the image was pulled`;
  };

/** Another file system lies over the folder, as one that went bad would. */
const covered = (name: string, options: string, spoil: (stage: Stage) => Promise<void>): Fault => ({
  group,
  name,
  lab: storageLab,
  async inject(stage) {
    await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', toFolder(stage)]);
    await spoil(stage);
  },
  whileItLasts: untilPulled(WORKS_ON),
  heal: async (stage) => {
    await run('umount', ['--lazy', toFolder(stage)]).catch(() => undefined);
  },
});

/** What was stored is something else at the next start. */
const spoilt = (name: string, write: (stage: Stage) => Promise<void>, words: string): Fault => ({
  group,
  name,
  lab: storageLab,
  isAtStart: true,
  inject: write,
  whileItLasts: untilPulled(words),
  heal: () => undefined,
});

const UNREADABLE = 'what was remembered cannot be read';

/** The images of the desired properties that are stored. */
async function readWanted(stage: Stage): Promise<object> {
  const { desired } = JSON.parse(await readFile(toFile(stage), 'utf8')) as {
    readonly desired?: { readonly document: { readonly images: object } };
  };
  return desired?.document.images ?? {};
}

/** With edgeHub away from the start on, nothing but the folder says what is wanted, and by which password. */
function remembered(): Fault {
  let late = '';
  return {
    group,
    name: 'edgeHub and the registry are away, the module is killed, and the registry comes back alone',
    lab: storageLab,
    async inject(stage) {
      const { edge, registry } = stage;
      await registry.stop();
      late = await stage.want();
      await stage.waitForPhase(late, 'Failed RegistryUnreachable');
      await stage.until('its being remembered', async () => late in (await readWanted(stage)));
      await edge.stopHub();
      await stage.restart('SIGKILL');
    },
    async whileItLasts(stage) {
      const { engine, registry } = stage;
      await registry.start();
      const isThere = async (): Promise<boolean> =>
        (await engine.images()).some(({ references }) =>
          references.some((name) => name.includes(`acme/${late}:`)),
        );
      await stage.until('an image that nothing but memory wants', isThere);
      expect(stage.process().output).toContain('from this device’s memory');
      return 'pulled from what the module remembered, while edgeHub was away';
    },
    async heal({ edge, registry }) {
      await registry.start();
      await edge.startHub();
    },
  };
}

/** What can be wrong with the folder that the module keeps its memory in. */
export const storageFaults: readonly Fault[] = [
  remembered(),
  covered('the storage folder is read-only', 'ro', async () => undefined),
  covered('the storage folder is full', 'size=4k', (stage) =>
    writeFile(join(toFolder(stage), 'filler'), Buffer.alloc(4096)),
  ),
  spoilt(
    'the storage folder is gone',
    (stage) => rm(toFolder(stage), { recursive: true }),
    'desired properties accepted',
  ),
  spoilt('what is stored is cut off', (stage) => writeFile(toFile(stage), '{"version":1,"own'), UNREADABLE),
  spoilt(
    'what is stored is of another shape',
    (stage) => writeFile(toFile(stage), '{"version":1,"owned":{"__proto__":[]},"images":[]}'),
    UNREADABLE,
  ),
  spoilt(
    'what is stored is no text',
    (stage) => writeFile(toFile(stage), Buffer.alloc(70_000, 0xff)),
    UNREADABLE,
  ),
  spoilt(
    'a folder is in the place of what is stored',
    async (stage) => {
      await rm(toFile(stage), { force: true });
      await mkdir(toFile(stage));
    },
    UNREADABLE,
  ),
];
