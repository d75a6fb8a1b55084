import type { Credential } from '#core/desired-state';

/** How one registry is spoken to. */
export interface RegistryAccess {
  /** `host[:port]` as the engine on the host reaches it. */
  readonly address: string;
  /** Absent: as anybody. */
  readonly credential: Credential | undefined;
  /** PEM certificates that are trusted besides the well-known ones. With them plain HTTP is never spoken. */
  readonly ca?: string | undefined;
}
