/**
 * Image references, by the grammar of the OCI distribution specification and Docker's rule for what is a registry.
 *
 * @see https://github.com/distribution/reference/blob/v0.6.0/reference.go
 */

/** A reference that names its registry; it has a tag, a digest, or both. */
export interface Reference {
  /** `host[:port]` as it stands in the reference, which Docker compares letter by letter; of Docker Hub `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string;
}

/** A reference as written, whose registry may be left out. */
export type PartialReference = Omit<Reference, 'registry'> & { readonly registry?: string };

/** Thrown for text that is not an image reference; the message says what is wrong with which part. */
export class InvalidReference extends Error {
  override readonly name = 'InvalidReference';
}

/** The registry that Docker means where a name says none. */
export const DOCKER_HUB = 'docker.io';

/** Its address of old, which Docker still takes and nowhere gives back. */
const OLD_DOCKER_HUB = 'index.docker.io';

/** The name by which Docker lists what comes from a registry. */
export const toListedRegistry = (registry: string): string =>
  registry === OLD_DOCKER_HUB ? DOCKER_HUB : registry;

const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const ADDRESS = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::([0-9]{1,5}))?$`);
const PATH_COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const MAX_NAME_LENGTH = 255;

/**
 * Whether `text` is a registry's `host[:port]`, without scheme and path, with a port between 1 and 65535, that Docker
 * takes for a registry: before a repository, a host without a dot and a port would be a user name at Docker Hub.
 */
export function isRegistryAddress(text: string): boolean {
  const match = ADDRESS.exec(text);
  if (match === null || text.length > MAX_NAME_LENGTH || !isRegistryByRule(text)) return false;
  const port = match[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

/** Whether `text` is a SHA-256 digest, `sha256:` and 64 lower-case hexadecimal digits. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/**
 * Parses `[host[:port]/]repository[:tag][@digest]`. The first path component is the registry if it holds a `.` or a
 * `:` or is `localhost`; `$upstream[:port]` counts as a registry too. Neither tag nor digest is filled in.
 *
 * @throws InvalidReference that says which part is wrong and never repeats more than that part.
 */
export function parseReference(text: string): PartialReference {
  const [name, digest, ...rest] = text.split('@');
  if (name === undefined || rest.length > 0) throw new InvalidReference('has more than one "@"');
  if (digest !== undefined && !isDigest(digest)) {
    throw new InvalidReference('the digest must be "sha256:" and 64 lower-case hexadecimal digits');
  }
  const { registry: written, path } = splitRegistry(name);
  const registry = written === undefined ? undefined : toListedRegistry(written);
  const colon = path.indexOf(':');
  const repository = colon < 0 ? path : path.slice(0, colon);
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  checkRepository(repository, registry ?? '');
  if (tag !== undefined && !TAG.test(tag)) {
    throw new InvalidReference(
      `"${shown(tag)}" is not a tag (letters, digits, "_", "." and "-", at most 128)`,
    );
  }
  return {
    ...(registry === undefined ? {} : { registry }),
    repository: registry === DOCKER_HUB ? withLibrary(repository) : repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Docker's own rule for what is a registry. */
function splitRegistry(name: string): { registry?: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || first === UPSTREAM;
  if (!isRegistry) return { path: name };
  if (!isRegistryAddress(toHost(first))) {
    throw new InvalidReference(`"${shown(first)}" is not a registry address (host[:port], no scheme)`);
  }
  return { registry: first, path: name.slice(slash + 1) };
}

/** What stands for the parent device's host name in nested edge deployments. */
export const UPSTREAM = '$upstream';

/** Puts `parentHostName` where `$upstream` stands as the host of `address`; any other address is returned as it is. */
export function resolveUpstream(address: string, parentHostName: string): string {
  const isUpstream = address === UPSTREAM || address.startsWith(`${UPSTREAM}:`);
  return isUpstream ? parentHostName + address.slice(UPSTREAM.length) : address;
}

/** Whether `address` has `$upstream` as its host. */
export function isUpstream(address: string): boolean {
  return resolveUpstream(address, '') !== address;
}

/** The reference as text, in the form the engine takes: `host/repository[:tag][@digest]`. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** `host/repository`, what the engine lists repository digests under. */
export function formatRepository({ registry, repository }: Reference): string {
  return `${registry}/${repository}`;
}

/** `host[:port]/repository` of a name that says its registry, and has a tag, a digest, or both. */
export function toRepository(name: string): string {
  return name.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

/** `host/repository:tag`; undefined for a reference that has a digest alone. */
export function formatTagged(reference: Reference): string | undefined {
  return reference.tag === undefined ? undefined : `${formatRepository(reference)}:${reference.tag}`;
}

/** Docker Hub alone has names without a path, and the engine lists them with this one. */
const withLibrary = (repository: string): string =>
  repository.includes('/') ? repository : `library/${repository}`;

function checkRepository(repository: string, registry: string): void {
  if (repository === '') throw new InvalidReference('the repository is missing');
  if (/[A-Z]/.test(repository)) {
    throw new InvalidReference(`the repository "${shown(repository)}" must be lower-case`);
  }
  if (!REPOSITORY.test(repository)) {
    throw new InvalidReference(
      `"${shown(repository)}" is not a repository (lower-case letters, digits, ".", "_", "-", "/")`,
    );
  }
  if (registry.length + 1 + repository.length > MAX_NAME_LENGTH) {
    throw new InvalidReference(`registry and repository are longer than ${MAX_NAME_LENGTH} characters`);
  }
}

/** Docker's own rule for what is a registry and not the first component of a repository. */
const isRegistryByRule = (first: string): boolean => /[.:]/.test(first) || first === 'localhost';

const toHost = (address: string): string => resolveUpstream(address, 'localhost');

/** A part of foreign text, cut to a length that fits into a message. */
const shown = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 59)}…`);
