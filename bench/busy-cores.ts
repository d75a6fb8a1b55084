import { cpus } from 'node:os';

/** @returns how many of the machine's cores were busy on average since the call, whatever they were busy with */
export function startCoreMeter(): () => number {
  const startedMs = performance.now();
  const busyBeforeMs = readBusyMs();
  return () => (readBusyMs() - busyBeforeMs) / (performance.now() - startedMs);
}

/** In user and kernel mode, of all cores, since the machine started. */
const readBusyMs = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
