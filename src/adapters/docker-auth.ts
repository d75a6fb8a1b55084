import type Docker from 'dockerode';
import { toStore } from '#adapters/docker-answers';
import type { EngineAnswers } from '#adapters/engine-answers';
import { isInsecureRegistry } from '#adapters/insecure-registries';
import { fetchRegistryToken } from '#adapters/registry-token';
import type { RegistryTokenOptions } from '#adapters/registry-token';
import type { PullRequest } from '#agent/ports';
import type { Credential } from '#core/desired-state';
import { AgentError } from '#core/reason';

/** What X-Registry-Auth carries; the client puts it into padded URL-safe base64. */
export type Auth = Docker.AuthConfigObject | { readonly registrytoken: string };

/** The engine drops the password without a word where the address is not the reference's own. */
export function toAuth(
  registry: string,
  credential: Credential | undefined,
): Docker.AuthConfigObject | undefined {
  if (credential === undefined) return undefined;
  const { username, password } = credential;
  return { username, password: password.reveal(), serveraddress: registry };
}

/**
 * What a pull proves its right with: user name and password, or a token that was fetched here for an engine that
 * cannot; where there is no such token, the engine is left to try.
 */
export async function fetchPullAuth(
  { reference, credential, ca, signal }: PullRequest,
  fetchAnswers: (signal: AbortSignal) => Promise<EngineAnswers>,
  surroundings: Pick<RegistryTokenOptions, 'findHost' | 'log'>,
): Promise<Auth | undefined> {
  const auth = toAuth(reference.registry, credential);
  // Nothing is known of such a registry, and hardly any that is open to all asks for a token.
  if (credential === undefined && ca === undefined) return auth;
  const answers = await fetchAnswers(signal);
  if (canFetchTokens(answers)) return auth;
  const isInsecure = isInsecureRegistry(reference.registry, answers.info.RegistryConfig);
  const question = { reference, credential, ca, isInsecure, signal };
  const token = await fetchRegistryToken({ ...question, ...surroundings });
  return token === undefined ? auth : { registrytoken: token.reveal() };
}

/**
 * Whether the registry refuses a token before the first layer that it gave for the password a moment ago: it is not the
 * password then, but the right to the repository that is missing.
 */
export function isTokenRefused(error: unknown, auth: Auth | undefined): error is AgentError {
  const isToken = auth !== undefined && 'registrytoken' in auth;
  return isToken && error instanceof AgentError && error.reason === 'Unauthorized';
}

/**
 * Engines that keep images in containerd fetch tokens without regard for certs.d, insecure-registries and loopback
 * addresses, up to 29.4.
 *
 * @see https://github.com/moby/moby/commit/c2075797fa
 */
function canFetchTokens({ version, info }: EngineAnswers): boolean {
  if (toStore(info) === 'classic') return true;
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version.Version) ?? [];
  return Number(major) > 29 || (Number(major) === 29 && Number(minor) >= 5);
}
