import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { listReferences } from '#test/e2e/scene';
import type { Fault } from './fault.ts';
import { healRegistry } from './registry-faults.ts';
import type { Stage } from './stage.ts';
import { storageLab } from './storage-faults.ts';

const group = 'the module itself';

/** In the short and in the long form. */
const KILLS = { short: 12, long: 100 };
/** A start, a login, a pull and a few reports fit in. */
const LONGEST_LIFE_MS = 2500;
const MOST_IMAGES = 6;

/** Adds an image, takes one away, or both. */
async function changeList(stage: Stage): Promise<void> {
  const { wanted } = stage;
  const names = [...wanted.keys()].filter((name) => name !== 'hello');
  const victim = names[randomInt(Math.max(names.length, 1))];
  if (victim !== undefined && (names.length >= MOST_IMAGES || randomInt(3) === 0)) wanted.delete(victim);
  await stage.want({ layers: 1 + randomInt(3), layerBytes: 40_000 + randomInt(300_000) });
}

/** The engine has what is wanted and nothing else that the module ever brought. */
async function waitForWanted(stage: Stage): Promise<void> {
  await stage.waitForReady(60_000);
  const { address } = stage.registry;
  const expected = [...stage.wanted.values()].map((entry) => {
    const { image } = entry as { readonly image: string };
    return `${address}/${image.includes(':') ? image : `${image}:latest`}`;
  });
  let found: string[] = [];
  const isRight = async (): Promise<boolean> => {
    found = await listReferences(stage.engine);
    return found.join() === expected.toSorted().join();
  };
  await stage.until('what is wanted and nothing else', isRight).catch(() => undefined);
  expect(found).toEqual(expected.toSorted());
}

const storm: Fault = {
  group,
  name: 'SIGKILL at random moments while a list is being pulled and changed, unlisted images removed',
  lab: storageLab,
  inject(stage) {
    stage.settings.set('unlisted', 'remove');
    stage.registry.faults.bytesPerSecond = 500_000;
  },
  async whileItLasts(stage) {
    const kills = stage.isLong ? KILLS.long : KILLS.short;
    let images = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      await changeList(stage);
      await sleep(randomInt(LONGEST_LIFE_MS));
      await stage.restart('SIGKILL');
      // Every other one comes before the last one is made good.
      if (kill % 2 === 1) await waitForWanted(stage);
      images += 1;
    }
    await waitForWanted(stage);
    return `${kills} kills, ${images} images wanted in turn; each time the engine had what was wanted, and nothing else`;
  },
  heal: healRegistry,
};

/** What a kill at one moment leads to. */
export const killFaults: readonly Fault[] = [
  {
    group,
    name: 'SIGKILL in mid-pull',
    async inject(stage) {
      await stage.wantSlowly();
      await stage.restart('SIGKILL');
    },
    whileItLasts: async (stage) => {
      await stage.waitForPhase(stage.latest(), 'Pulling');
      return stage.phase(stage.latest());
    },
    heal: healRegistry,
  },
  storm,
];
