import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import { Secret } from '#core/secret';
import type { Engine as LabEngine } from '#lab/engine/engine';
import type { EngineClient } from '#lab/engine/engine-client';
import { callEngineJson } from '#lab/engine/engine-api';
import { syntheticImage } from '#lab/images/image';
import { ensurePrerequisites } from '#lab/prerequisites';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';
import type { EngineHarness } from '#test/conformance/engine-bench';
import { REGISTRY_HOST, startTestEngine } from '#test/engine-under-test';

/** The adapter before an engine of its own and the lab's registry. */
export interface RealHarness<Lab = LabEngine> extends EngineHarness {
  readonly registry: Registry;
  readonly dockerd: Lab;
}

type StartedEngine = EngineClient & { stop(): Promise<void> };

const PASSWORD = 'right?>password~';

/** Starts a dockerd and a registry; needs root. */
export const startRealHarness = (): Promise<RealHarness> => startHarness(startTestEngine);

/** Starts both. */
export async function startHarness<Lab extends StartedEngine>(
  startEngine: (options: { readonly dir: string }) => Promise<Lab>,
): Promise<RealHarness<Lab>> {
  await ensurePrerequisites();
  const dir = await mkdtemp(join(tmpdir(), 'engine-conformance-'));
  const [dockerd, registry] = await Promise.all([
    startEngine({ dir }),
    startRegistry({ dir: join(dir, 'registry'), host: REGISTRY_HOST }),
  ]);
  const repositories = new Set<string>();
  const allow = (): void => {
    const actions = [...repositories].map((repository) => `repositories/${repository}/content/read`);
    registry.scopeMaps.set('readers', actions);
  };
  registry.tokens.set('device', {
    status: 'enabled',
    passwords: { password1: { value: PASSWORD } },
    scopeMap: 'readers',
  });
  const containerIds: string[] = [];
  let requestsBefore = 0;

  return {
    registry,
    dockerd,
    engine: createDockerEngine({ dockerHost: dockerd.dockerHost }),
    address: registry.address,
    credential: { name: 'password', username: 'device', password: new Secret(PASSWORD) },
    async serve(repository, tag, { seed = 'app', platform = 'linux/amd64' } = {}) {
      repositories.add(repository);
      allow();
      const layers = [
        { sizeBytes: 1000, seed: `${seed} base` },
        { sizeBytes: 600_000, seed },
      ];
      return (await registry.push(await syntheticImage({ layers, platform }), repository, tag)).digest;
    },
    forbid(repository) {
      repositories.delete(repository);
      allow();
    },
    async use(imageId) {
      const body = { Image: imageId, Cmd: ['/none'], HostConfig: { NetworkMode: 'none' } };
      const call = { method: 'POST', path: '/containers/create', body } as const;
      const created = (await callEngineJson(dockerd.dockerHost, call)) as { readonly Id: string };
      containerIds.push(created.Id);
    },
    setAway: (isAway) => (isAway ? registry.stop() : registry.start()),
    holdPulls() {
      requestsBefore = registry.requests.length;
      registry.faults.totalBytesPerSecond = 10_000;
    },
    async untilPulling() {
      const isBlob = ({ path }: { readonly path: string }): boolean => path.includes('/blobs/');
      const check = (): void => {
        if (!registry.requests.slice(requestsBefore).some(isBlob)) throw new Error('no layer is asked for');
      };
      await vi.waitFor(check, { timeout: 30_000 });
    },
    async reset() {
      Object.assign(registry.faults, NO_REGISTRY_FAULTS);
      await registry.start();
      for (const id of containerIds.splice(0)) {
        const path = `/containers/${id}?force=true`;
        await callEngineJson(dockerd.dockerHost, { method: 'DELETE', path });
      }
      await dockerd.removeAllImages();
    },
    async close() {
      await Promise.all([dockerd.stop(), registry.close()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
