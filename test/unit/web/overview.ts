import type { Neighbour, Overview } from '#core/overview';
import { countPhases } from '#core/status';
import type { ImageStatus, RegistryStatus } from '#core/status';

export const NOW_MS = Date.UTC(2026, 10, 24, 12);

const UP: Neighbour = { state: 'up', sinceMs: NOW_MS - 60_000 };

/** An image that is here. */
export const PULLED: ImageStatus = {
  image: '127.0.0.1:8000/acme/camera:1',
  phase: 'Pulled',
  attempts: 0,
  evictions: 0,
  sizeBytes: 1_500_000,
  pulledAtMs: NOW_MS - 5000,
  digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
};

/** An image that is not at the registry. */
export const MISSING: ImageStatus = {
  image: '127.0.0.1:8000/acme/vision:7',
  phase: 'Failed',
  reason: 'NotFound',
  message: 'manifest unknown',
  attempts: 2,
  evictions: 0,
  retryAtMs: NOW_MS + 30_000,
};

interface Given extends Partial<Omit<Overview, 'status'>> {
  readonly images?: Readonly<Record<string, ImageStatus>>;
  readonly registries?: Readonly<Record<string, RegistryStatus>>;
  readonly status?: Partial<Overview['status']>;
}

/** A device on which all answers, with these images. */
export function makeOverview({ images = {}, registries = {}, status = {}, ...rest }: Given = {}): Overview {
  const counts = countPhases(Object.values(images), status.misnamed ?? 0);
  const isReady = counts.desired > 0 && counts.pulled === counts.desired;
  return {
    nowMs: NOW_MS,
    isAlive: true,
    hub: UP,
    engine: UP,
    freeBytes: 20e9,
    minFreeBytes: 5e8,
    oldestUnmetMs: 0,
    pullingBytes: 0,
    ...rest,
    status: {
      lastDesiredVersion: 42,
      lastDesiredStatus: { code: 200, description: '' },
      agent: { version: '1.0.0', startedAtMs: NOW_MS - 60_000, engine: '28.5.2', platform: 'linux/amd64' },
      summary: {
        isReady,
        ...counts,
        ...(isReady ? { ready: { atMs: NOW_MS - 5000, setDigest: 'sha256:0' } } : {}),
      },
      registries: new Map(Object.entries(registries)),
      images: new Map(Object.entries(images)),
      misnamed: 0,
      ...status,
    },
  };
}
