import { helloWorld } from '../images/hello-world.ts';
import type { PlatformImage } from '../images/image.ts';
import { syntheticImage } from '../images/image.ts';
import type { RegistryContent } from '../registry/content.ts';

/** One layer of a made-up image: the same seed and size are the same layer, which images then share. */
export interface CatalogueLayer {
  readonly seed: string;
  readonly megabytes: number;
}

/** An image that the registry on site offers. */
export interface CatalogueImage {
  /** Its key in the twin. */
  readonly name: string;
  /** `repository[:tag]`. */
  readonly image: string;
  /** From the bottom up. Without any it is hello-world. */
  readonly layers: readonly CatalogueLayer[];
  /** What else its entry in the twin says. */
  readonly wishes?: Readonly<Record<string, unknown>>;
}

const OS: CatalogueLayer = { seed: 'os', megabytes: 12 };
const RUNTIME: CatalogueLayer = { seed: 'runtime', megabytes: 9 };

/** What a plant might run: layers of an operating system and of a runtime are shared. 74 MB in all. */
export const CATALOGUE: readonly CatalogueImage[] = [
  { name: 'hello', image: 'hello-world', layers: [], wishes: { priority: 10 } },
  {
    name: 'camera',
    image: 'acme/camera:1.4',
    layers: [OS, RUNTIME, { seed: 'camera', megabytes: 10 }],
    // The name by which a deployment will ask for it.
    wishes: { tagAs: ['contoso.azurecr.io/acme/camera:1.4'] },
  },
  { name: 'gateway', image: 'acme/gateway:2.0', layers: [OS, RUNTIME, { seed: 'gateway', megabytes: 7 }] },
  { name: 'dashboard', image: 'acme/dashboard:0.9', layers: [OS, { seed: 'dashboard', megabytes: 8 }] },
  { name: 'historian', image: 'acme/historian:5.1', layers: [OS, { seed: 'historian', megabytes: 12 }] },
  { name: 'vision', image: 'acme/vision:3.2', layers: [OS, RUNTIME, { seed: 'model', megabytes: 16 }] },
];

/** One more, for later. */
export const LATECOMER: CatalogueImage = {
  name: 'analytics',
  image: 'acme/analytics:0.1',
  layers: [OS, RUNTIME, { seed: 'analytics', megabytes: 6 }],
};

/** Makes an image of the catalogue, or any other; equal entries make byte for byte equal images. */
export function makeImage({ layers }: Pick<CatalogueImage, 'layers'>): Promise<PlatformImage> {
  if (layers.length === 0) return helloWorld(`linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`);
  return syntheticImage({
    layers: layers.map(({ seed, megabytes }) => ({ seed, sizeBytes: Math.round(megabytes * 1e6) })),
    platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
  });
}

/** Makes and pushes one image, and gives its digest. */
export async function pushImage(registry: RegistryContent, entry: CatalogueImage): Promise<string> {
  const { repository, tag } = splitImage(entry.image);
  const { digest } = await registry.push(await makeImage(entry), repository, tag);
  return digest;
}

/** An image at a registry, with its tag, as engines list it. */
export function toReference(address: string, image: string): string {
  const { repository, tag } = splitImage(image);
  return `${address}/${repository}:${tag}`;
}

/** Of all layers, each once, however many images share it. */
export function sumMegabytes(images: readonly CatalogueImage[]): number {
  const layers = new Map(images.flatMap((image) => image.layers).map((layer) => [layer.seed, layer]));
  return [...layers.values()].reduce((sum, { megabytes }) => sum + megabytes, 0);
}

/** The `images` of the twin that ask for these. */
export function toDesiredImages(images: readonly CatalogueImage[]): Record<string, unknown> {
  return Object.fromEntries(
    images.map(({ name, image, wishes }) => [name, wishes === undefined ? image : { image, ...wishes }]),
  );
}

function splitImage(image: string): { readonly repository: string; readonly tag: string } {
  const [repository = image, tag = 'latest'] = image.split(':');
  return { repository, tag };
}
