import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startEdge } from '#lab/edge';
import type { Edge, EdgeCertificate } from '#lab/edge';
import { findFreePort } from '#lab/free-port';
import { startModule } from '#lab/module';
import { readRuntime } from '#lab/runtime';
import { startStandInEngine } from '#lab/stand-in/stand-in-engine';

/** A device of a fleet on this machine: its own edgeHub, its own engine that keeps nothing, and the shipped program. */
export interface Device {
  readonly edge: Edge;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What {@link startDevice} takes. */
export interface DeviceOptions {
  /** A folder to be made. */
  readonly dir: string;
  /** That it finds at its start. */
  readonly desired: Readonly<Record<string, unknown>>;
  /** Of its edgeHub: hundreds made anew would take minutes. */
  readonly issued: EdgeCertificate;
  /** Whether images may come through the module's relay. */
  readonly hasRelay: boolean;
}

/** Starts one. */
export async function startDevice({ dir, desired, issued, hasRelay }: DeviceOptions): Promise<Device> {
  await mkdir(dir);
  const edge = await startEdge({ dir, issued });
  const engine = await startStandInEngine(join(dir, 'docker.sock'));
  edge.setDesired(desired);
  const runtime = await readRuntime('Dockerfile.amd64');
  const module = startModule({
    programPath: 'dist/main.js',
    nodeFlags: runtime.flags,
    environment: {
      ...runtime.environment,
      ...edge.environment,
      DOCKER_HOST: engine.dockerHost,
      XDG_RUNTIME_DIR: dir,
      HTTP_PORT: '0',
      RELAY_PORT: hasRelay ? String(await findFreePort()) : '0',
    },
  });
  return {
    edge,
    pid: module.pid,
    async stop() {
      await module.stop();
      await Promise.all([edge.stop(), engine.stop()]);
    },
  };
}
