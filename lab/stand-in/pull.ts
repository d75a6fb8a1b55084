import type { HeldImage } from './image-store.ts';
import { Refusal } from './registry-session.ts';
import type { Descriptor, RegistrySession } from './registry-session.ts';

/** What a pull tells, one line each, in the engine's words. */
export type Tell = (line: {
  readonly status: string;
  readonly id?: string;
  readonly progressDetail?: object;
}) => void;

/** What {@link pullImage} takes. */
export interface PullOptions {
  readonly session: RegistrySession;
  /** Of the index or the manifest. */
  readonly digest: string;
  readonly platform: { readonly os: string; readonly architecture: string };
  /** Layers that are here or on their way, by digest: one that two images share comes once. */
  readonly layers: Map<string, Promise<void>>;
  /** Waits for one of the engine's few places. */
  readonly inPlace: <T>(work: () => Promise<T>) => Promise<T>;
  readonly tell: Tell;
}

interface Manifest {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

/** Fetches manifest, configuration and layers, as an engine does, and keeps none of them. */
export async function pullImage(options: PullOptions): Promise<HeldImage> {
  const { session, digest, platform, tell } = options;
  const top = (await session.fetchJson('manifests', digest)) as Manifest;
  const { config, layers = [] } = await choose(session, top, platform);
  if (config === undefined) throw new Refusal(500, 'unsupported manifest media type');
  const found = (await session.fetchJson('blobs', config.digest)) as { os: string; architecture: string };
  if (found.os !== platform.os || found.architecture !== platform.architecture) {
    const actual = `${found.os}/${found.architecture}`;
    throw new Refusal(200, `image was found but does not match the specified platform: actual: ${actual}`);
  }
  for (const layer of layers) tell({ status: 'Pulling fs layer', id: toShort(layer) });
  await Promise.all(layers.map((layer) => fetchLayer(layer, options)));
  tell({ status: `Digest: ${digest}` });
  const sizeBytes = layers.reduce((sum, { size }) => sum + size, 0);
  return { ...found, id: config.digest, sizeBytes };
}

async function choose(
  session: RegistrySession,
  top: Manifest,
  { os, architecture }: PullOptions['platform'],
): Promise<Manifest> {
  if (top.manifests === undefined) return top;
  const fitting = top.manifests.find(
    ({ platform }) => platform?.os === os && platform.architecture === architecture,
  );
  if (fitting === undefined) {
    throw new Refusal(200, `no matching manifest for ${os}/${architecture} in the manifest list entries`);
  }
  return (await session.fetchJson('manifests', fitting.digest)) as Manifest;
}

async function fetchLayer(layer: Descriptor, { session, layers, inPlace, tell }: PullOptions): Promise<void> {
  const id = toShort(layer);
  const known = layers.get(layer.digest);
  if (known !== undefined) {
    await known;
    return tell({ status: 'Already exists', id });
  }
  const coming = inPlace(async () => {
    let current = 0;
    await session.fetchLayer(layer.digest, (bytes) => {
      current += bytes;
      tell({ status: 'Downloading', id, progressDetail: { current, total: layer.size } });
    });
  });
  layers.set(layer.digest, coming);
  await coming.catch((error: unknown) => {
    layers.delete(layer.digest);
    throw error;
  });
  tell({ status: 'Download complete', id });
  tell({ status: 'Pull complete', id });
}

const toShort = ({ digest }: Descriptor): string => digest.slice(7, 19);
