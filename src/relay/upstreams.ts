import type { DesiredRegistry } from '#core/desired-state';
import type { RegistryAccess } from '#core/registry-access';
import { isSameCredential } from '#core/registry-record';
import type { Upstream } from '#relay/upstream';

/** One upstream for each access, so that its token serves for all that is asked of the registry. */
export interface Upstreams {
  /** The one of an access, opened where there is none yet. */
  of(access: RegistryAccess): Upstream;
  /** Forgets those of users and passwords that are not listed, and the tokens that these got. What is under way goes on. */
  keepListed(registries: readonly DesiredRegistry[]): void;
}

/** As many registries, and passwords of each, as any device has. */
const MAX_UPSTREAMS = 64;

/** Makes the table, empty. */
export function createUpstreams(open: (access: RegistryAccess) => Upstream): Upstreams {
  // In the order of use: another certificate, that took the place of one, leaves that behind.
  let opened: readonly { readonly access: RegistryAccess; readonly upstream: Upstream }[] = [];
  return {
    of(access) {
      const found = opened.find((one) => isSame(one.access, access)) ?? { access, upstream: open(access) };
      opened = [...opened.filter((one) => one !== found), found].slice(-MAX_UPSTREAMS);
      return found.upstream;
    },
    keepListed(registries) {
      opened = opened.filter(({ access }) => isListed(access, registries));
    },
  };
}

/** What nobody has to log in for may be asked of registries that are not listed. */
function isListed({ address, credential }: RegistryAccess, registries: readonly DesiredRegistry[]): boolean {
  if (credential === undefined) return true;
  return registries.some(
    (registry) => registry.address === address && registry.credentials.some(isSameCredential(credential)),
  );
}

function isSame(one: RegistryAccess, other: RegistryAccess): boolean {
  if (one.address !== other.address || one.ca !== other.ca) return false;
  if (one.credential === undefined || other.credential === undefined) {
    return one.credential === other.credential;
  }
  return isSameCredential(one.credential)(other.credential);
}
