import type { RegistryAccess } from '#core/registry-access';
import type { Upstream } from '#relay/upstream';

/** As many registries, and passwords of each, as any device has. */
const MAX_UPSTREAMS = 64;

/**
 * One upstream for each access, so that its token serves for all that is asked of the registry.
 *
 * @returns the one of an access, opened where there is none yet
 */
export function createUpstreams(
  open: (access: RegistryAccess) => Upstream,
): (access: RegistryAccess) => Upstream {
  // In the order of use: another password, that took the place of one, leaves that behind.
  let opened: readonly { readonly access: RegistryAccess; readonly upstream: Upstream }[] = [];
  return (access) => {
    const found = opened.find((one) => isSame(one.access, access)) ?? { access, upstream: open(access) };
    opened = [...opened.filter((one) => one !== found), found].slice(-MAX_UPSTREAMS);
    return found.upstream;
  };
}

function isSame(one: RegistryAccess, other: RegistryAccess): boolean {
  if (one.address !== other.address || one.ca !== other.ca) return false;
  if (one.credential === undefined || other.credential === undefined) {
    return one.credential === other.credential;
  }
  return (
    one.credential.username === other.credential.username &&
    one.credential.password.equals(other.credential.password)
  );
}
