import { setTimeout as delay } from 'node:timers/promises';
import { watchArrivals } from './arrivals.ts';
import { startCoreMeter } from './busy-cores.ts';
import type { Turn, TurnResult } from './contenders.ts';
import { readCpuMs } from './process-memory.ts';
import { toReferences } from './scene.ts';

/** So long the module rests after its start, as it mostly does when desired properties come. */
const REST_MS = 3000;

/** Starts the module, gives it the images when it rests, and stops it when the engine has them all. */
export async function pullByModule(
  { scene, wanted }: Turn,
  settings: Readonly<Record<string, unknown>>,
): Promise<TurnResult> {
  const { edge, registry, engine, plant } = scene;
  edge.setDesired({ schemaVersion: '1.0', registryCredentials: { plant }, images: {}, settings });
  const version = edge.desired()['$version'];
  const module = scene.startModule();
  const arrivals = await watchArrivals(engine.dockerHost, toReferences(scene, wanted));
  try {
    await edge.waitForReported(({ lastDesiredVersion }) => lastDesiredVersion === version, 30_000);
    await delay(REST_MS);
    const requestsBefore = registry.requests.length;
    const cpuBeforeMs = await readCpuMs(module.pid);
    const patchedAtMs = Date.now();
    const startedMs = performance.now();
    const toBusyCores = startCoreMeter();
    edge.patchDesired({ images: wanted });
    const seconds = ((await arrivals.all) - startedMs) / 1000;
    const busyCores = toBusyCores();
    const ownCpuMs = (await readCpuMs(module.pid)) - cpuBeforeMs;
    const firstAtMs = registry.requests[requestsBefore]?.atMs ?? Number.NaN;
    return { startedMs, seconds, busyCores, ownCpuMs, firstRequestMs: firstAtMs - patchedAtMs };
  } finally {
    arrivals.stop();
    await module.stop();
  }
}
