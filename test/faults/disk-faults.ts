import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syntheticImage } from '#lab/images/image';
import { smallDiskLab } from './engine-labs.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

const group = 'engine';
const MB = 1_000_000;
const DISK_BYTES = 96 * MB;

const toFiller = ({ dir }: Stage): string => join(dir, 'data', 'filler');

/** Leaves so many bytes free on the engine's disk. */
async function fillDisk(stage: Stage, freeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(join(stage.dir, 'data'));
  const filler = await open(toFiller(stage), 'w');
  try {
    const chunk = Buffer.alloc(MB);
    for (let left = bavail * bsize - freeBytes; left > 0; left -= MB) await filler.write(chunk);
  } finally {
    await filler.close();
  }
}

const emptyDisk = (stage: Stage): Promise<void> => rm(toFiller(stage), { force: true });

function diskFull(
  name: string,
  { freeBytes, sizeBytes, compressible }: { freeBytes: number; sizeBytes: number; compressible: boolean },
): Fault {
  return {
    group,
    name,
    // The module would else wait, as it is to do, before the engine comes to an end of its disk.
    lab: smallDiskLab(DISK_BYTES, { minFreeDiskMB: 0 }),
    async inject(stage) {
      const layers = [{ seed: `${name}-${Math.random()}`, sizeBytes, compressible }];
      await stage.registry.push(await syntheticImage({ layers }), 'acme/large', '1');
      await fillDisk(stage, freeBytes);
      stage.wanted.set('large', { image: 'acme/large:1', registry: 'plant' });
      stage.desireAll();
    },
    async whileItLasts(stage) {
      await stage.waitForPhase('large', 'Failed DiskFull', 60_000);
      return `Failed DiskFull: ${String(stage.image('large')['message']).replaceAll(stage.dir, '…')}`;
    },
    heal: emptyDisk,
  };
}

/** What happens at the end of the engine's disk, and before it. */
export const diskFaults: readonly Fault[] = [
  diskFull('the engine’s disk is full in mid-download', {
    freeBytes: 6 * MB,
    sizeBytes: 20 * MB,
    compressible: false,
  }),
  // A quarter of it is downloaded, and more is unpacked than there is room for.
  diskFull('the engine’s disk is full in mid-extraction', {
    freeBytes: 20 * MB,
    sizeBytes: 40 * MB,
    compressible: true,
  }),
  {
    group,
    name: 'the engine’s disk has less free than minFreeDiskMB',
    lab: smallDiskLab(DISK_BYTES, { minFreeDiskMB: 30 }),
    isSlow: true,
    inject: (stage) => fillDisk(stage, 20 * MB),
    async whileItLasts(stage) {
      await stage.waitForPhase(stage.latest(), 'Waiting LowDisk');
      return 'Waiting LowDisk; no pull was started';
    },
    heal: emptyDisk,
    recoveryMs: 120_000,
  },
];
