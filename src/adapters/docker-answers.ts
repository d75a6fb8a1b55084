import type { RegistryConfig } from '#adapters/insecure-registries';
import type { EngineInfo } from '#agent/ports';
import type { Platform } from '#core/platform';
import type { ListedImage } from '#core/presence';
import { DOCKER_HUB, toRepository } from '#core/reference';

/** Of `GET /info`. */
export interface InfoAnswer {
  readonly DockerRootDir?: string;
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
  readonly RegistryConfig?: RegistryConfig | null;
}

/** Of `GET /images/json` and `GET /images/…/json`. */
export interface ImageAnswer {
  readonly Id: string;
  readonly Size: number;
  readonly RepoTags?: readonly string[] | null | undefined;
  readonly RepoDigests?: readonly string[] | null | undefined;
  /** Of the containerd store alone, and from Docker 27 on in a listing, 28 on in an inspection. */
  readonly Manifests?: readonly ManifestAnswer[] | null | undefined;
}

/** A part of an image in the containerd store, for one platform; one that was not pulled is not available. */
interface ManifestAnswer {
  readonly Available?: boolean;
  readonly ImageData?: { readonly Platform?: PlatformAnswer } | undefined;
}

/** Of `GET /distribution/…/json`. */
export interface PlatformAnswer {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** The kind of image store: the containerd one is known by its snapshotter. */
export function toStore({ DriverStatus }: InfoAnswer): EngineInfo['store'] {
  const isContainerd = (DriverStatus ?? []).some(([, value]) => value === 'io.containerd.snapshotter.v1');
  return isContainerd ? 'containerd' : 'classic';
}

/** An image of a listing or an inspection. */
export function toListedImage({ Id, Size, RepoTags, RepoDigests, Manifests }: ImageAnswer): ListedImage {
  const held = (Manifests ?? []).filter(({ Available }) => Available === true);
  // The containerd store counts the name that an image was pulled by as a tag, even if it is a digest.
  const tags = (RepoTags ?? []).filter((name) => isName(name) && !name.includes('@')).map(toFullName);
  const digests = (RepoDigests ?? []).filter(isName).map(toFullName);
  return {
    id: Id,
    sizeBytes: Size,
    tags,
    digests: [...new Set([...digests, ...toDigestsLeftOut(Id, tags, digests)])],
    ...(Manifests
      ? { platforms: toPlatforms(held.flatMap(({ ImageData }) => ImageData?.Platform ?? [])) }
      : {}),
  };
}

/**
 * In the containerd store the id of an image is its digest, in each repository that it has a tag of; Docker 28 lists it
 * for one of these.
 */
function toDigestsLeftOut(id: string, tags: readonly string[], digests: readonly string[]): string[] {
  const isDigest = digests.some((name) => name.endsWith(`@${id}`));
  return isDigest ? tags.map((name) => `${toRepository(name)}@${id}`) : [];
}

/** The engine lists `docker.io/library/app:1` as `app:1`: the registry is put back, as references have it. */
function toFullName(name: string): string {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (/[.:]/.test(first) || first === 'localhost') return name;
  return `${DOCKER_HUB}/${slash < 0 ? 'library/' : ''}${name}`;
}

/** A platform whose variant may be missing or empty. */
export function toPlatform(os: string, architecture: string, variant?: string): Platform {
  return { os, architecture, ...(variant === undefined || variant === '' ? {} : { variant }) };
}

/** The platforms of a manifest, without those that the registry does not name: attestations are for `unknown`. */
export function toPlatforms(platforms: readonly PlatformAnswer[] | null): readonly Platform[] {
  return (platforms ?? [])
    .filter(({ os, architecture }) => ![os, architecture].some((part) => part === '' || part === 'unknown'))
    .map(({ os, architecture, variant }) => toPlatform(os, architecture, variant));
}

/** An image without a name is listed as `<none>:<none>`. */
const isName = (name: string): boolean => !name.includes('<none>');
