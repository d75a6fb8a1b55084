import type { Engine, EngineOptions } from '#lab/engine/engine';
import { startEngine } from '#lab/engine/engine';

/**
 * Starts the engine that the tests on real parts are run against: the machine's dockerd, unless the environment names
 * another. `LAB_DOCKERD` is the path of a dockerd; `LAB_CONTAINERD_SNAPSHOTTER` (`true` or `false`) is where it keeps
 * its images. Needs root.
 */
export function startTestEngine(options: EngineOptions): Promise<Engine> {
  const { LAB_DOCKERD: dockerdPath, LAB_CONTAINERD_SNAPSHOTTER: snapshotter } = process.env;
  return startEngine({
    ...(dockerdPath === undefined ? {} : { dockerdPath }),
    ...(snapshotter === undefined ? {} : { containerdSnapshotter: snapshotter === 'true' }),
    ...options,
  });
}
