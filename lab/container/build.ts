import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DockerHost } from '../engine/engine-api.ts';

const run = promisify(execFile);

/** What {@link buildImage} takes. */
export interface BuildOptions {
  readonly dockerHost: DockerHost;
  readonly contextDir: string;
  /** Below `contextDir`. */
  readonly dockerfile: string;
  /** `name:tag` of the result. */
  readonly reference: string;
  /** Default true: what an earlier build made is used again. */
  readonly useCache?: boolean;
}

/**
 * Builds an image with the engine's own builder, which all engines of IoT Edge devices and the IoT Edge tools share, and
 * without a network: what the build asks for must be in its base images.
 * @throws with the end of the build's output.
 */
export async function buildImage(options: BuildOptions): Promise<void> {
  const { contextDir, reference, useCache = true } = options;
  const configDir = await mkdtemp(join(tmpdir(), 'docker-config-'));
  try {
    const file = join(contextDir, options.dockerfile);
    const cache = useCache ? [] : ['--no-cache'];
    const args = ['build', '--network=none', ...cache, '--file', file, '--tag', reference, contextDir];
    await docker(options.dockerHost, configDir, args);
  } finally {
    await rm(configDir, { recursive: true, force: true });
  }
}

/** Loads archives of images into an engine, in this order. */
export async function loadImages(dockerHost: DockerHost, archivePaths: readonly string[]): Promise<void> {
  for (const path of archivePaths) await docker(dockerHost, undefined, ['load', '--quiet', '--input', path]);
}

/** Writes an image with all its layers into a folder, as `docker save` does. */
export async function saveImage(dockerHost: DockerHost, reference: string, dir: string): Promise<void> {
  const archivePath = join(dir, 'image.tar');
  await docker(dockerHost, undefined, ['save', '--output', archivePath, reference]);
  await run('tar', ['--extract', '--file', archivePath, '--directory', dir]);
  await rm(archivePath);
}

/** Gives an engine an image that another one has. */
export async function copyImage(from: DockerHost, to: DockerHost, reference: string): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'image-'));
  try {
    const archivePath = join(dir, 'image.tar');
    await docker(from, undefined, ['save', '--output', archivePath, reference]);
    await loadImages(to, [archivePath]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Copies what `.dockerignore` lets through, so that a build does not see what changes meanwhile. */
export async function copyContext(projectDir: string, contextDir: string): Promise<void> {
  const ignore = await readFile(join(projectDir, '.dockerignore'), 'utf8');
  const paths = Array.from(ignore.matchAll(/^!(.+)$/gm), ([, path = '']) => path);
  for (const path of ['.dockerignore', 'Dockerfile.amd64', 'Dockerfile.arm64v8', ...paths]) {
    await cp(join(projectDir, path), join(contextDir, path), { recursive: true });
  }
}

async function docker(dockerHost: DockerHost, configDir: string | undefined, args: readonly string[]) {
  const env = {
    ...process.env,
    DOCKER_HOST: dockerHost,
    DOCKER_BUILDKIT: '0',
    // The machine's own may name helpers for credentials, which a build has no use for.
    ...(configDir === undefined ? {} : { DOCKER_CONFIG: configDir }),
  };
  await run('docker', [...args], { env, maxBuffer: 64 * 1024 ** 2 }).catch(
    (error: Error & { stdout?: string }) => {
      const output = (error.stdout ?? '').trimEnd().split('\n').slice(-12).join('\n');
      throw new Error(`docker ${args[0]}: ${error.message}\n${output}`, { cause: error });
    },
  );
}
