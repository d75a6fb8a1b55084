/** Operating system and architecture, in the words of the OCI image specification (`linux`, `arm64`, `v8`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const PLATFORM = /^([a-z0-9]+)\/([a-z0-9]+)(?:\/([a-z0-9.]+))?$/;

/** Parses `os/architecture[/variant]`; undefined for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const match = PLATFORM.exec(text);
  if (match === null) return undefined;
  const [, os = '', architecture = '', variant] = match;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `os/architecture[/variant]`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** Architectures that a kernel of the key's runs beside its own, as containerd's default platform matcher has it. */
const ALSO_RUNS: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] };

/**
 * Whether an image built for `image` is what was wanted: exactly `wanted` where the operator named a platform, else
 * anything that the engine's own platform runs. An image that does not say its variant fits any.
 *
 * @see https://github.com/containerd/platforms/blob/v0.2.1/compare.go
 */
export function isPlatformMatch(image: Platform, engine: Platform, wanted?: Platform): boolean {
  if (wanted === undefined) {
    return (
      image.os === engine.os &&
      (image.architecture === engine.architecture ||
        (ALSO_RUNS[engine.architecture]?.includes(image.architecture) ?? false))
    );
  }
  return (
    image.os === wanted.os &&
    image.architecture === wanted.architecture &&
    (wanted.variant === undefined || image.variant === undefined || image.variant === wanted.variant)
  );
}
