import type { Fault } from './fault.ts';

const group = 'the module itself';

/** What can happen to the module's own process, folder, clock and wishes. */
export const moduleFaults: readonly Fault[] = [
  {
    group,
    name: 'SIGKILL in mid-pull',
    async inject(stage) {
      await stage.wantSlowly();
      await stage.restart('SIGKILL');
    },
    whileItLasts: async (stage) => {
      await stage.waitForPhase('image-1', 'Pulling');
      return stage.phase('image-1');
    },
    heal: ({ registry }) => void (registry.faults.bytesPerSecond = undefined),
  },
];
