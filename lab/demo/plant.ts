import type { EngineClient } from '../engine/engine-client.ts';
import { connectEngine } from '../engine/engine.ts';
import { findFreePort } from '../free-port.ts';
import type { Lab } from '../lab.ts';
import { startLab } from '../lab.ts';
import { ensurePrerequisites } from '../prerequisites.ts';
import type { DeviceLogin } from './device-login.ts';
import { issueDeviceLogin } from './device-login.ts';

/** Looking for programs takes milliseconds. */
const INSTALLING_AFTER_MS = 1000;

/** A lab whose registry knows the device. */
export interface Plant {
  readonly lab: Lab;
  readonly login: DeviceLogin;
  /** Where the module serves its status page. */
  readonly pageUrl: string;
  /** Ends everything, and takes what was pulled off an engine that is not the lab's own. */
  stop(): Promise<void>;
}

/**
 * Starts a lab and gives the device a login at its registry.
 * @param engineHost an engine that is already there; by default a private one is started, which needs root
 * @throws when a part does not start; {@link ensureMachine} says what to do about it
 */
export async function startPlant(engineHost?: string): Promise<Plant> {
  const port = await findFreePort();
  const environment = { HTTP_PORT: String(port) };
  const pageUrl = `http://127.0.0.1:${port}`;
  if (engineHost === undefined) {
    const lab = await startLab({ environment });
    return { lab, login: issueDeviceLogin(lab.registry), pageUrl, stop: lab.stop };
  }
  const engine = await connectEngine(engineHost).catch((error: unknown) => {
    throw new Error(`no Docker engine answers at ${engineHost}`, { cause: error });
  });
  const before = new Set(await listReferences(engine));
  const lab = await startLab({ engine, environment });
  return {
    lab,
    login: issueDeviceLogin(lab.registry),
    pageUrl,
    async stop() {
      await lab.stop();
      for (const reference of await listPulled(engine, lab.registry.address)) {
        if (!before.has(reference)) await engine.remove(reference);
      }
    },
  };
}

/**
 * Makes sure that the machine can run the lab.
 * @param needsEngine whether with a Docker engine of its own
 * @param onInstall called when something is missing, probably, and being installed
 * @throws with what to install or do
 */
export async function ensureMachine(
  { needsEngine }: { readonly needsEngine: boolean },
  onInstall: () => void,
): Promise<void> {
  const timer = setTimeout(onInstall, INSTALLING_AFTER_MS);
  try {
    await ensurePrograms(needsEngine);
  } finally {
    clearTimeout(timer);
  }
}

async function ensurePrograms(needsEngine: boolean): Promise<void> {
  if (!needsEngine) {
    await ensurePrerequisites({ 'docker-registry': 'docker-registry', openssl: 'openssl' });
    return;
  }
  await ensurePrerequisites();
  if (process.getuid?.() !== 0) {
    throw new Error(
      'a Docker engine of its own needs root: run this as root, ' +
        "or use the machine's engine with --engine unix:///var/run/docker.sock",
    );
  }
}

async function listReferences(engine: EngineClient): Promise<string[]> {
  return (await engine.images()).flatMap(({ references }) => references);
}

/** All names of images that came from a registry. */
async function listPulled(engine: EngineClient, address: string): Promise<string[]> {
  const isFromThere = (reference: string): boolean => reference.startsWith(`${address}/`);
  const images = await engine.images();
  return images.flatMap(({ references }) => (references.some(isFromThere) ? references : []));
}
