import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePort } from '#lab/free-port';
import { syntheticImage } from '#lab/images/image';
import type { LayerSpec } from '#lab/images/layer';
import { startLab } from '#lab/lab';
import type { Lab, LabOptions } from '#lab/lab';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { Registry } from '#lab/registry/registry';
import { readRuntime } from '#lab/runtime';

/** Images by the name that the twin gives them, `repository:tag` each. */
export type Wanted = Readonly<Record<string, string>>;

/** The client token of all devices. */
export const DEVICE = { username: 'device', password: 'bench' };

/** A lab whose registry has a client token, with what contenders need to speak to it. */
export interface Scene extends Lab {
  /** For `registryCredentials`. */
  readonly plant: { readonly address: string; readonly username: string; readonly password: string };
  /** A folder with a `config.json` as `docker login` leaves it. */
  readonly dockerConfigDir: string;
}

/** Starts a lab in which the module runs as in its image. */
export async function startScene(options: LabOptions = {}): Promise<Scene> {
  await ensurePrerequisites();
  const runtime = await readRuntime('Dockerfile.amd64');
  const relayPort = await findFreePort();
  const lab = await startLab({
    nodeFlags: runtime.flags,
    ...options,
    environment: (dir) => ({
      ...runtime.environment,
      RELAY_PORT: String(relayPort),
      ...(typeof options.environment === 'function' ? options.environment(dir) : options.environment),
    }),
  });
  admitDevice(lab.registry);
  const plant = { address: lab.registry.address, ...DEVICE };
  const dockerConfigDir = join(lab.dir, 'docker-config');
  await mkdir(dockerConfigDir);
  const auth = Buffer.from(`${DEVICE.username}:${DEVICE.password}`).toString('base64');
  const config = { auths: { [plant.address]: { auth } } };
  await writeFile(join(dockerConfigDir, 'config.json'), JSON.stringify(config));
  return Object.assign(lab, { plant, dockerConfigDir });
}

/** Lets the token `device` read `acme/*`. */
export function admitDevice(registry: Registry): void {
  registry.scopeMaps.set('readers', ['repositories/acme/*/content/read']);
  registry.tokens.set(DEVICE.username, {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: DEVICE.password } },
  });
}

/** Pushes images, each of its own layers, as `acme/<name>:1`. */
export async function pushImages(
  registry: Registry,
  images: Readonly<Record<string, readonly LayerSpec[]>>,
): Promise<Wanted> {
  const wanted: Record<string, string> = {};
  for (const [name, layers] of Object.entries(images)) {
    await registry.push(await syntheticImage({ layers }), `acme/${name}`, '1');
    wanted[name] = `acme/${name}:1`;
  }
  return wanted;
}

/** As engines name them. */
export const toReferences = ({ registry }: Scene, wanted: Wanted): string[] =>
  Object.values(wanted).map((image) => `${registry.address}/${image}`);

/** What was written before is on the disk: the next turn does not pay for it. */
export async function settleDisk(): Promise<void> {
  await promisify(execFile)('sync');
}
