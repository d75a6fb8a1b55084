import { readFileSync, statSync } from 'node:fs';
import { expect, inject, onTestFinished } from 'vitest';
import { startContainer } from '#lab/container/container';
import type { Container, ContainerOptions } from '#lab/container/container';
import { createEngineClient } from '#lab/engine/engine-client';
import { expandTemplate, readCreateOptions, readEnvironment } from '#test/manifests/expand';
import { startScene } from '../e2e/scene.ts';
import type { Scene } from '../e2e/scene.ts';
import type { BuiltImage } from './setup.ts';

type CreateOptions = ContainerOptions['createOptions'];

/** A scene whose module runs in a container, in the engine that it pulls into. */
export interface ContainerScene extends Scene {
  /** Starts the module's image as edgeAgent would by `deployment.template.json`. */
  startContainer(changes?: ContainerChanges): Promise<Container>;
}

/** What differs from the deployment template. */
export interface ContainerChanges {
  /** Laid over `HostConfig`. */
  readonly hostConfig?: Readonly<Record<string, unknown>>;
  /** Laid over the rest of `createOptions`. */
  readonly createOptions?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Laid over the image's HEALTHCHECK; times in nanoseconds. */
  readonly healthcheck?: Readonly<Record<string, number>>;
  /** Bound in as the engine's socket instead of it. */
  readonly socketPath?: string;
}

/** The createOptions and the environment that the deployment template gives the module on this machine. */
export function readDeployment(socketPath: string): {
  readonly createOptions: CreateOptions;
  readonly environment: Readonly<Record<string, string>>;
} {
  const manifest = expandTemplate({
    template: readFileSync('deployment.template.json', 'utf8'),
    moduleJson: readFileSync('module.json', 'utf8'),
    env: { DOCKER_GROUP_ID: String(statSync(socketPath).gid) },
    platform: 'amd64',
  });
  return {
    createOptions: readCreateOptions(manifest, 'puller') as unknown as CreateOptions,
    environment: readEnvironment(manifest, 'puller'),
  };
}

/** Where a container runs. */
export interface ContainerPlace {
  readonly dockerHost: string;
  /** A network of that engine. */
  readonly network?: string;
}

/** A lab on an engine that has the images. At the test's end its container is gone and has logged no password. */
export async function startContainerScene(
  architecture: BuiltImage['architecture'],
  place: ContainerPlace = inject('built'),
): Promise<ContainerScene> {
  const { images } = inject('built');
  const { dockerHost, network } = place;
  const image = images.find((candidate) => candidate.architecture === architecture);
  if (image === undefined) throw new Error(`no image for ${architecture}`);
  const scene = await startScene({ engine: createEngineClient(dockerHost) });
  if (scene.filter === undefined) throw new Error('nothing is between the module and the engine');
  const { pathname: socketPath } = new URL(scene.filter.dockerHost);
  const deployment = readDeployment(socketPath);

  return Object.assign(scene, {
    async startContainer(changes: ContainerChanges = {}) {
      const container = await startContainer({
        dockerHost,
        image: image.reference,
        createOptions: {
          ...deployment.createOptions,
          ...changes.createOptions,
          HostConfig: { ...deployment.createOptions.HostConfig, ...changes.hostConfig },
          ...(changes.healthcheck === undefined ? {} : { Healthcheck: changes.healthcheck }),
        },
        // The host's ports are not the container's to take.
        environment: {
          ...scene.edge.environment,
          ...deployment.environment,
          ...(network === undefined ? { HTTP_PORT: '0', RELAY_PORT: '0' } : {}),
          ...changes.environment,
        },
        socketPath: changes.socketPath ?? socketPath,
        network,
      });
      onTestFinished(async () => {
        const logs = await container.logs();
        await container.remove();
        for (const password of Object.values(scene.passwords)) {
          expect(logs.includes(password), 'a password stands in the log').toBe(false);
        }
      });
      return container;
    },
  });
}
