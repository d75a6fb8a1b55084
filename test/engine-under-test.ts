import type { Engine, EngineOptions } from '#lab/engine/engine';
import { startEngine } from '#lab/engine/engine';
import { startPodman } from '#lab/engine/podman';

/** What registries on this machine are called: Podman logs in without TLS at no other name. */
export const REGISTRY_HOST = process.env['LAB_PODMAN'] === undefined ? '127.0.0.1' : 'localhost';

/**
 * Starts the engine that the tests on real parts are run against: the machine's dockerd, unless the environment names
 * another. `LAB_DOCKERD` is the path of a dockerd; `LAB_CONTAINERD_SNAPSHOTTER` (`true` or `false`) is where it keeps
 * its images; `LAB_PODMAN` is the path of a podman, which takes no `config`. Needs root.
 */
export function startTestEngine(options: EngineOptions): Promise<Engine> {
  const {
    LAB_DOCKERD: dockerdPath,
    LAB_CONTAINERD_SNAPSHOTTER: snapshotter,
    LAB_PODMAN: podmanPath,
  } = process.env;
  if (podmanPath !== undefined) return startPodman({ ...options, podmanPath });
  return startEngine({
    ...(dockerdPath === undefined ? {} : { dockerdPath }),
    ...(snapshotter === undefined ? {} : { containerdSnapshotter: snapshotter === 'true' }),
    ...options,
  });
}
