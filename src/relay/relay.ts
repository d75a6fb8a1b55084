import type { Clock, Log } from '#agent/ports';
import type { Relay } from '#agent/relay-port';
import type { Platform } from '#core/platform';
import type { Reference } from '#core/reference';
import type { RegistryAccess } from '#core/registry-access';
import { hidingLogin } from '#core/registry-auth';
import { listPlaces } from '#relay/addresses';
import type { Place } from '#relay/addresses';
import type { Blobs } from '#relay/blobs';
import { fetchContent, fetchPlatforms, toTagOrDigest } from '#relay/content';
import type { ContentSource } from '#relay/content';
import { createKeptManifests } from '#relay/kept-manifests';
import { createOffers } from '#relay/offers';
import { createRegistryFace } from '#relay/registry-face';
import { createRelayServer } from '#relay/relay-server';
import type { TokenBucket } from '#relay/token-bucket';
import type { Upstream } from '#relay/upstream';
import { createUnpackedSizes } from '#relay/unpacked-sizes';
import { createUpstreams } from '#relay/upstreams';

/** What {@link createRelay} takes. */
export interface RelayOptions {
  /** On this network's loopback, and published there by the host; undefined: the relay is off, and only asks. */
  readonly port: number | undefined;
  readonly openUpstream: (access: RegistryAccess) => Upstream;
  readonly blobs: Blobs;
  /** Whether the blobs outlive the process. */
  readonly isKeeping: boolean;
  /** That of the blobs. */
  readonly bucket: Pick<TokenBucket, 'setRate'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: as the network is found. */
  readonly listPlaces?: (() => Promise<readonly Place[]>) | undefined;
}

/** Of some hundred images. */
const MAX_KEPT_BYTES = 2 * 1024 * 1024;
const MAX_KNOWN_PLATFORMS = 1000;
/** Of one index: of one with more, which hardly exists, the manifest is looked at again. */
const MAX_PLATFORMS_EACH = 32;
/** How often to look for what was kept for too long. */
const LOOK_MS = 3_600_000;

/** A read-only registry on loopback. Nothing is sent, and nobody listened for, before the first call. */
export function createRelay(options: RelayOptions): Relay {
  const { port, blobs, bucket, clock, log } = options;
  const kept = createKeptManifests(MAX_KEPT_BYTES);
  const unpackedSizes = createUnpackedSizes();
  const upstreams = createUpstreams(options.openUpstream);
  const offers = createOffers({ address: `127.0.0.1:${port ?? 0}`, blobs, kept, clock });
  const server = createRelayServer({
    port,
    listPlaces: options.listPlaces ?? listPlaces,
    face: createRegistryFace({ shelf: offers, clock, log }),
    clock,
    log,
  });
  /** Where a repository is asked, as somebody. */
  const toSource = (access: RegistryAccess, { repository }: Reference): ContentSource => ({
    upstream: upstreams.of(access),
    blobs,
    kept: kept.of(`${access.address}/${repository}`),
  });
  /** By digest: they never change, so that looking whether a tag has moved is one short question. */
  const platformsOf = new Map<string, readonly Platform[]>();

  function notePlatforms(digest: string, platforms: readonly Platform[]): void {
    if (platforms.length > MAX_PLATFORMS_EACH) return;
    platformsOf.delete(digest);
    platformsOf.set(digest, platforms);
    const [oldest = ''] = platformsOf.keys();
    if (platformsOf.size > MAX_KNOWN_PLATFORMS) platformsOf.delete(oldest);
  }

  /** What a failure quotes of an image is its registry's word, which may be the password. */
  const told = <T>({ credential }: RegistryAccess, work: Promise<T>): Promise<T> =>
    hidingLogin(credential, work);

  async function forgetOld(signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      await blobs.forgetOld().catch((error: unknown) => {
        log.debug({ error: String(error) }, 'what was kept for too long cannot be removed');
      });
    }
  }

  return {
    get standing() {
      return server.standing;
    },

    isKeeping: options.isKeeping,

    async run(signal) {
      await Promise.all([server.run(signal), ...(options.isKeeping ? [forgetOld(signal)] : [])]);
    },

    async login(access, signal) {
      const upstream = upstreams.of(access);
      await upstream.login(signal);
      return { isPlainHttp: upstream.isPlainHttp ?? false };
    },

    async fetchManifest(reference, access, signal) {
      const source = toSource(access, reference);
      const { digest } = await source.upstream.headManifest(
        reference.repository,
        toTagOrDigest(reference),
        signal,
      );
      const platforms =
        platformsOf.get(digest) ??
        (await told(access, fetchPlatforms({ ...reference, digest }, source, signal)));
      notePlatforms(digest, platforms);
      return { digest, platforms };
    },

    async fetchContent(question) {
      const { access, reference } = question;
      const content = await told(access, fetchContent(question, toSource(access, reference)));
      notePlatforms(content.digest, content.platforms);
      return content;
    },

    fetchUnpackedSizes: (question) =>
      unpackedSizes.fetch(question, {
        upstream: upstreams.of(question.access),
        repository: question.reference.repository,
      }),

    offer: (request) => offers.open(request, upstreams.of(request.access)),
    offerProbe: () => offers.openProbe(),
    keptSizes: () => blobs.keptSizes(),
    setRate: (bytesPerSecond) => bucket.setRate(bytesPerSecond),
    forget: (digests) => blobs.forget(digests),
    keepOnly: (digests) => blobs.keepOnly(digests),
    keepListed: (registries) => upstreams.keepListed(registries),
  };
}
