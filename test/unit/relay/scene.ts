import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '#adapters/system-clock';
import type { Offer, OfferRequest, Relay } from '#agent/relay-port';
import { Secret } from '#core/secret';
import type { RegistryAccess } from '#core/registry-access';
import { findFreePort } from '#lab/free-port';
import { createRelay } from '#relay/relay';
import type { RelayOptions } from '#relay/relay';
import { createStubBlobs, createStubUpstream } from '#test/unit/relay/stub-upstream';
import type { StubUpstream } from '#test/unit/relay/stub-upstream';
import type { StubImage } from '#test/unit/relay/stub-image';

export const WAIT = { timeout: 30_000, interval: 10 };
export const PASSWORD = 'correct-horse-battery';

export const toAccess = (address: string): RegistryAccess => ({
  address,
  credential: { name: 'password', username: 'edge-device', password: new Secret(PASSWORD) },
});

/** A relay of stub registries, one for each address, that listens. */
export async function startRelay(options: Partial<RelayOptions> = {}) {
  const port = options.port ?? (await findFreePort());
  const registries = new Map<string, StubUpstream>();
  const lines: string[] = [];
  const take = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const blobs = createStubBlobs();
  const rates: number[] = [];
  const registry = (address: string): StubUpstream => {
    const found = registries.get(address) ?? createStubUpstream();
    registries.set(address, found);
    return found;
  };
  const relay = createRelay({
    port,
    openUpstream: ({ address }) => registry(address),
    blobs,
    isKeeping: false,
    bucket: { setRate: (rate) => void rates.push(rate) },
    clock: systemClock,
    log: { debug: take, info: take, warn: take, error: take },
    listPlaces: async () => [{ address: '127.0.0.1' }],
    ...options,
  });
  const ending = new AbortController();
  const ended = relay.run(ending.signal);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  onTestFinished(stop);
  return { relay, port, registry, blobs, lines, rates, stop };
}

export async function waitUntilServing(relay: Relay): Promise<void> {
  await expect.poll(() => relay.standing.kind, WAIT).toBe('serving');
}

/** As {@link startRelay}, with one image at `plant:5000/group/app:1` on offer. */
export async function startOffering(image: StubImage, options: Partial<OfferRequest> = {}) {
  const scene = await startRelay();
  await waitUntilServing(scene.relay);
  const upstream = scene.registry('plant:5000');
  upstream.put('group/app', image, '1');
  const offer = offerOf(scene.relay, image, options);
  return { ...scene, upstream, offer, path: toPath(offer) };
}

export function offerOf(relay: Relay, image: StubImage, options: Partial<OfferRequest> = {}): Offer {
  return relay.offer({
    reference: { registry: 'plant:5000', repository: 'group/app', tag: '1' },
    digest: image.root.digest,
    access: toAccess('plant:5000'),
    stallTimeoutMs: 600_000,
    ...options,
  });
}

export const toPath = ({ reference }: Offer): string => `/v2/${reference.repository}`;

export async function ask(
  port: number,
  path: string,
  options: RequestOptions = {},
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: Buffer }> {
  const asked = request({ port, host: '127.0.0.1', path, agent: false, ...options });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}
