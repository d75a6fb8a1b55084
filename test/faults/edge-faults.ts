import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

const group = 'edgeHub and workload API';

/** What can happen to a module's connection to its device. */
export const edgeFaults: readonly Fault[] = [
  {
    group,
    name: 'edgeHub is away, and back with its sessions',
    inject: ({ edge }) => edge.stopHub(),
    heal: ({ edge }) => edge.startHub({ sessions: 'kept' }),
    async whileItLasts({ edge, isLong }) {
      await sleep(isLong ? 180_000 : 3000);
      return `${edge.attempts} attempts`;
    },
  },
];
