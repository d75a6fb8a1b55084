import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { syntheticImage } from '#lab/images/image';
import type { Lab } from '#lab/lab';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import { join } from 'node:path';

/** What happens while an image is being pulled. */
export const EVENTS = ['cut', 'client killed', 'engine restarted', 'slow'] as const;
/** Who pulls it. */
export const WAYS = ['relay', 'engine', 'docker pull', 'timeout'] as const;

export type RefetchEvent = (typeof EVENTS)[number];
export type Way = (typeof WAYS)[number];

/** What one pull cost. */
export interface Refetch {
  /** Of the image's layers. */
  readonly imageBytes: number;
  /** What the registry sent of them beyond that, until the image was there or nobody would have waited for it. */
  readonly againBytes: number;
  /** Whether it ever came. */
  readonly came: boolean;
}

const LAYERS = 4;
const LAYER_BYTES = 25_000_000;
const LINK_BYTES_PER_SECOND = 10_000_000;
/** Of a pull, where somebody sets one: as one that fetches images ahead has it. */
const TIMEOUT_MS = 300_000;
/** The same where the link is too slow for it, on a smaller scale. */
const SHORT_TIMEOUT_MS = (0.7 * LAYERS * LAYER_BYTES * 1000) / LINK_BYTES_PER_SECOND;
/** Then it is clear that it never comes. */
const MAX_ATTEMPTS = 5;

let count = 0;

/** Pulls a new image while the event happens, until it is there. */
export async function breakPull(lab: Lab, event: RefetchEvent, way: Way): Promise<Refetch> {
  const registry = await startRegistry({ dir: join(lab.dir, `registry-${(count += 1)}`), auth: 'none' });
  try {
    const layers = Array.from({ length: LAYERS }, (_, at) => ({
      seed: `${process.pid}-${count}-${at}`,
      sizeBytes: LAYER_BYTES,
    }));
    const image = await syntheticImage({ layers });
    await registry.push(image, 'app', '1');
    const imageBytes = image.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const digests = new Set(image.layers.map(({ digest }) => digest));
    const sent = (): number =>
      registry.requests
        .filter(({ path }) => digests.has(path.slice(path.lastIndexOf('/') + 1)))
        .reduce((sum, { bytes }) => sum + bytes, 0);
    Object.assign(registry.faults, NO_REGISTRY_FAULTS, { totalBytesPerSecond: LINK_BYTES_PER_SECOND });
    const tenths = Array.from({ length: 9 }, (_, at) => ((at + 1) * imageBytes) / 10);
    if (event === 'cut') registry.faults.cutBlobsAtBytes = tenths;

    const puller =
      way === 'relay' || way === 'engine'
        ? startOwn(lab, registry, way)
        : startDocker(lab, registry, event, way);
    if (event === 'client killed' || event === 'engine restarted') {
      while (sent() < imageBytes / 2) await delay(5);
      if (event === 'client killed') await puller.kill();
      else await lab.ownEngine?.restart();
    }
    const came = await puller.ended;
    const againBytes = sent() - imageBytes;
    await puller.close();
    await lab.engine.removeAllImages();
    return { imageBytes, againBytes, came };
  } finally {
    await registry.close();
  }
}

interface Puller {
  /** Resolves with whether the image came. */
  readonly ended: Promise<boolean>;
  /** SIGKILL, and begins again. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** This module. */
function startOwn(lab: Lab, registry: Registry, transport: 'relay' | 'engine'): Puller {
  const settings = { transport, retryInitialSeconds: 5, retryMaxSeconds: 10, reportIntervalSeconds: 1 };
  lab.edge.setDesired({
    schemaVersion: '1.0',
    registryCredentials: { site: { address: registry.address } },
    images: { app: `${registry.address}/app:1` },
    settings,
  });
  lab.startModule();
  const ready = lab.edge.waitForReported(
    ({ summary, lastDesiredVersion }) =>
      (summary as { ready?: boolean } | undefined)?.ready === true &&
      lastDesiredVersion === lab.edge.desired()['$version'],
    900_000,
  );
  return {
    ended: ready.then(() => true),
    async kill() {
      await lab.module?.kill();
      lab.startModule();
    },
    close: async () => void (await lab.module?.stop()),
  };
}

/** `docker pull` called again until it succeeds; as `timeout` it is killed when its time is up. */
function startDocker(lab: Lab, registry: Registry, event: RefetchEvent, way: Way): Puller {
  let child: ChildProcess | undefined;
  const isTimed = way === 'timeout';
  const timeoutMs = event === 'slow' ? SHORT_TIMEOUT_MS : TIMEOUT_MS;
  async function attempt(): Promise<boolean> {
    const pulling = spawn(
      'docker',
      ['--host', lab.engine.dockerHost, 'pull', '--quiet', `${registry.address}/app:1`],
      {
        stdio: 'ignore',
      },
    );
    child = pulling;
    const timer = setTimeout(() => pulling.kill('SIGKILL'), isTimed ? timeoutMs : 2 ** 31 - 1);
    const [code] = (await once(pulling, 'exit')) as [number | null];
    clearTimeout(timer);
    return code === 0;
  }
  async function run(): Promise<boolean> {
    for (let attempts = 1; attempts <= MAX_ATTEMPTS; attempts += 1) {
      if (await attempt()) return true;
      await delay(isTimed ? 10_000 : 1000);
    }
    return false;
  }
  return {
    ended: run(),
    kill: async () => void child?.kill('SIGKILL'),
    close: async () => void child?.kill('SIGKILL'),
  };
}
