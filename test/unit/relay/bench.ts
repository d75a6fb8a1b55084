import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '#agent/ports';
import { systemClock } from '#adapters/system-clock';
import { Secret } from '#core/secret';
import { createBlobs } from '#relay/blobs';
import type { BlobRead, Blobs } from '#relay/blobs';
import { openKeptBytes } from '#relay/kept-bytes';
import type { KeptBytes } from '#relay/kept-bytes';
import { createTokenBucket } from '#relay/token-bucket';
import { createUpstream } from '#relay/upstream';
import type { Upstream, UpstreamOptions } from '#relay/upstream';
import { PASSWORD, USERNAME } from '#test/unit/relay/site';
import type { Site } from '#test/unit/relay/site';

export const credential = { name: 'password', username: USERNAME, password: new Secret(PASSWORD) } as const;
export const NEVER = new AbortController().signal;

/** The machine's time, and delays a hundred times shorter. */
export const hastyClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / 100, signal),
};

export function makeUpstream(
  address: string,
  options: Partial<UpstreamOptions> & { ca?: string } = {},
): Upstream {
  const { ca, ...rest } = options;
  return createUpstream({
    access: { address, credential, ca },
    httpsAddresses: new Set(),
    clock: systemClock,
    ...rest,
  });
}

/** What is said of a promise that is to fail. */
export async function failureOf(work: Promise<unknown>): Promise<{ reason?: string; message: string }> {
  try {
    await work;
  } catch (error) {
    return error as { reason?: string; message: string };
  }
  throw new Error('it did not fail');
}

export const makeBlobs = (options: Partial<Parameters<typeof createBlobs>[0]> = {}): Blobs =>
  createBlobs({ bucket: createTokenBucket(systemClock), clock: hastyClock, log: silentLog, ...options });

const ignore = (): void => undefined;
export const silentLog = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** A read of a whole blob of the site. */
export function toRead(site: Site, blob: Buffer, options: Partial<BlobRead> = {}): BlobRead {
  return {
    digest: site.holdBlob(blob),
    sizeBytes: blob.length,
    fromByte: 0,
    source: { upstream: makeUpstream(site.address), repository: 'group/app' },
    stallTimeoutMs: 60_000,
    signal: NEVER,
    ...options,
  };
}

/** An empty folder for one test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relay-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'relay');
}

export const openKept = (
  folder: string,
  options: Partial<Parameters<typeof openKeptBytes>[0]> = {},
): Promise<KeptBytes> =>
  openKeptBytes({ folder, minFreeBytes: () => 0, clock: systemClock, bootId: BOOT_ID, ...options });

/** One boot of the device. */
export const BOOT_ID = '9d2c9a5e-6f0b-4c3d-8a51-0123456789ab';

export async function drain(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}
