import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { makeBaseImages } from '#lab/base-images/base-images';
import { buildImage, copyContext, loadImages } from '#lab/container/build';
import { startEngine } from '#lab/engine/engine';
import { callEngineJson } from '#lab/engine/engine-api';
import { ensurePrerequisites } from '#lab/prerequisites';

/** The module's images in a private engine. */
export interface BuiltImages {
  /** Of the engine that has them. */
  readonly socketPath: string;
  readonly dockerHost: string;
  readonly images: readonly BuiltImage[];
}

/** One platform's image. */
export interface BuiltImage {
  readonly architecture: 'amd64' | 'arm64';
  readonly reference: string;
  /** Built of the same sources a second time, with nothing kept of the first. */
  readonly again: string;
  /** What the last stage began with. */
  readonly base: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly built: BuiltImages;
  }
}

const DOCKERFILES = { amd64: 'Dockerfile.amd64', arm64: 'Dockerfile.arm64v8' } as const;

/** Builds both images twice, with the Dockerfiles as they are, from base images that stand in for the published ones. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await ensurePrerequisites({
    docker: 'docker.io',
    dockerd: 'docker.io',
    mmdebstrap: 'mmdebstrap',
    'qemu-aarch64-static': 'qemu-user-static',
    ip: 'iproute2',
    iptables: 'iptables',
  });
  const dir = await mkdtemp(join(tmpdir(), 'puller-images-'));
  const contextDir = join(dir, 'context');
  await copyContext('.', contextDir);
  const engine = await startEngine({ dir });
  const teardown = async () => {
    await engine.stop();
    await rm(dir, { recursive: true, force: true });
  };

  const build = async (architecture: BuiltImage['architecture']): Promise<BuiltImage> => {
    const { dockerHost } = engine;
    const bases = await makeBaseImages({ projectDir: '.', cacheDir: '.lab/base-images', architecture });
    await loadImages(
      dockerHost,
      bases.map(({ archivePath }) => archivePath),
    );
    const image = {
      architecture,
      reference: `puller:${architecture}`,
      again: `puller:${architecture}-again`,
      base: `base:${architecture}`,
    };
    const base = bases.at(-1)?.reference ?? '';
    await callEngineJson(dockerHost, {
      method: 'POST',
      path: `/images/${base}/tag?repo=base&tag=${architecture}`,
    });
    const what = { dockerHost, contextDir, dockerfile: DOCKERFILES[architecture] };
    await buildImage({ ...what, reference: image.reference });
    await buildImage({ ...what, reference: image.again, useCache: false });
    return image;
  };
  try {
    const images = [await build('amd64'), await build('arm64')];
    project.provide('built', { socketPath: engine.socketPath, dockerHost: engine.dockerHost, images });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
