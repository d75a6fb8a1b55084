/** Keeps some devices of a fleet, in a process of its own: the registry's process is then slowed by none of them. */
import { join } from 'node:path';
import type { EdgeCertificate } from '#lab/edge';
import { startDevice } from './devices.ts';
import type { Device } from './devices.ts';
import { readMemory } from './process-memory.ts';
import { waitForReady } from './ready.ts';

/** What a host is told, one thing after another. */
export type HostOrder =
  | {
      readonly kind: 'start';
      /** Of a folder that exists; each device has one of its own in it. */
      readonly dir: string;
      readonly names: readonly string[];
      readonly desired: Readonly<Record<string, unknown>>;
      readonly issued: EdgeCertificate;
      readonly hasRelay: boolean;
    }
  | { readonly kind: 'roll out'; readonly images: Readonly<Record<string, string>> }
  | { readonly kind: 'stop' };

/** What was seen of one device from the patch on. */
export interface Seen {
  readonly readySeconds: number;
  readonly reports: number;
  readonly refusedReports: number;
  /** Anonymous memory of the module before. */
  readonly anonBytes: number;
}

/** So many start at once: on two cores more would only wait for each other. */
const STARTING = 2;
const START_MS = 300_000;
const READY_MS = 900_000;

const devices: Device[] = [];

async function start({ dir, names, ...shared }: HostOrder & { kind: 'start' }): Promise<void> {
  // Each module is ended when this process is.
  process.setMaxListeners(names.length + process.getMaxListeners());
  const queue = [...names];
  const work = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const device = await startDevice({ ...shared, dir: join(dir, name) });
      devices.push(device);
      await device.edge.waitForReported(({ agent }) => agent !== undefined, START_MS);
    }
  };
  await Promise.all(Array.from({ length: STARTING }, work));
}

async function rollOut({ edge, pid }: Device, images: Readonly<Record<string, string>>): Promise<Seen> {
  const before = edge.reports.length;
  const { anonBytes } = await readMemory(pid);
  const startedMs = performance.now();
  edge.patchDesired({ images });
  await waitForReady(edge, Object.keys(images).length, READY_MS);
  const readySeconds = (performance.now() - startedMs) / 1000;
  const reports = edge.reports.slice(before);
  const refusedReports = reports.filter(({ status }) => status !== 204).length;
  return { readySeconds, reports: reports.length, refusedReports, anonBytes };
}

async function obey(order: HostOrder): Promise<readonly Seen[]> {
  switch (order.kind) {
    case 'start':
      await start(order);
      return [];
    case 'roll out':
      return Promise.all(devices.map((device) => rollOut(device, order.images)));
    case 'stop':
      await Promise.all(devices.map((device) => device.stop()));
      return [];
  }
}

process.on('message', (order: HostOrder) => {
  obey(order).then(
    (seen) => process.send?.(seen),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
