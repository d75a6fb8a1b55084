/** What the module answers, as far as it is shown here; see docs/twin-contract.md. */
export interface StatusDocument {
  readonly lastDesiredVersion?: number;
  readonly lastDesiredStatus?: { readonly code: number; readonly description: string };
  readonly agent: {
    readonly version: string;
    readonly startedAt: string;
    readonly engine?: string;
    readonly platform?: string;
  };
  /** Which neighbours do not answer; absent where both do. */
  readonly away?: {
    readonly engine?: Trouble & { readonly since: string };
    readonly edgeHub?: { readonly since: string };
  };
  readonly summary: {
    readonly ready: boolean;
    readonly desired: number;
    readonly pulled: number;
    readonly pulling: number;
    readonly waiting: number;
    readonly failed: number;
    readonly etaSeconds?: number;
    readonly readyAt?: string;
  };
  readonly registries: Readonly<Record<string, RegistryEntry>>;
  readonly images: Readonly<Record<string, ImageEntry>>;
}

export interface Trouble {
  readonly reason?: string;
  readonly message?: string;
  readonly advice?: string;
}

export interface RegistryEntry extends Trouble {
  readonly address: string;
  readonly login: string;
  readonly credential?: string;
  readonly transport?: 'relay' | 'engine';
}

export interface ImageEntry extends Trouble {
  readonly image: string;
  readonly phase: 'Waiting' | 'Pulling' | 'Pulled' | 'Failed';
  readonly percent?: number;
  readonly downloadedBytes?: number;
  readonly totalBytes?: number;
  readonly sizeBytes?: number;
  readonly attempts?: number;
  readonly retryAt?: string;
}

export interface CheckDocument {
  readonly registries: Readonly<Record<string, CheckedRegistry>>;
  readonly omitted?: number;
}

export interface CheckedRegistry {
  readonly address: string;
  readonly ok: boolean;
  readonly engine: readonly CheckedStep[];
  readonly relay: readonly CheckedStep[];
  readonly module: readonly CheckedStep[];
}

export interface CheckedStep extends Trouble {
  readonly step: string;
  readonly credential?: string;
  readonly result: 'ok' | 'failed' | 'skipped';
}

export interface TaskDocument {
  readonly status: 'Running' | 'Completed' | 'Failed';
}
