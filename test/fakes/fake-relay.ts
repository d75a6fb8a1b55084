import type { Relay, RelayStanding } from '#agent/relay-port';
import type { ImageContent } from '#core/image-content';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { Reference } from '#core/reference';
import type { FakeEngine } from '#test/fakes/fake-engine';
import type { ServedImage } from '#test/fakes/fake-registries';

/** A relay in memory between a pretended engine and its pretended registries. */
export interface FakeRelay extends Relay {
  standing: RelayStanding;
  /** Whether the engine comes to it. */
  isReached: boolean;
  /** What fails between the module and registries, by address; whatever is asked of it. */
  readonly failures: Map<string, FailureReason>;
  /** Addresses of registries that speak plain HTTP. */
  readonly plain: Set<string>;
  /** What was told it last. */
  rate: number;
  kept: ReadonlySet<string> | undefined;
  /** User names and passwords of registries that are listed, as it was told last. */
  listed: readonly string[];
  /** Blobs that it was told to forget. */
  readonly forgotten: Set<string>;
  /** What layers say of their unpacked size, by digest. */
  readonly unpackedBytes: Map<string, number>;
  /** What is kept of layers, by digest. */
  readonly keptBytes: Map<string, number>;
  /** Digests of layers that were asked for it. */
  readonly sized: string[];
  /** Names that are being offered. */
  readonly offered: Set<string>;
  /** What the next offers fail for, as the registry's fault. */
  offerFailure: AgentError | undefined;
}

const ADDRESS = '127.0.0.1:5010';

/** Makes a relay that serves, and that the engine reaches. */
export function createFakeRelay(engine: FakeEngine): FakeRelay {
  let count = 0;
  const toName = (): string => (count += 1).toString(16).padStart(32, '0');
  const wasAsked = (name: string): boolean =>
    relay.isReached && engine.calls.some((call) => call.includes(name));
  const check = ({ address }: { readonly address: string }): void => {
    const reason = relay.failures.get(address);
    if (reason !== undefined) throw new AgentError(reason, `${reason} at ${address}`);
  };
  const find = (reference: Reference): ServedImage => engine.find(reference);

  const relay: FakeRelay = {
    standing: { kind: 'serving', address: ADDRESS },
    isReached: true,
    isKeeping: false,
    failures: new Map(),
    plain: new Set(),
    rate: 0,
    kept: undefined,
    listed: [],
    forgotten: new Set(),
    unpackedBytes: new Map(),
    keptBytes: new Map(),
    sized: [],
    offered: new Set(),
    offerFailure: undefined,
    async run() {},
    async login(access) {
      check(access);
      if (access.credential !== undefined) engine.checkPassword(access.address, access.credential);
      return { isPlainHttp: relay.plain.has(access.address) };
    },
    async fetchManifest(reference, access) {
      check(access);
      const { digest, platform } = find(reference);
      return { digest, platforms: [platform] };
    },
    async fetchContent({ reference, access }) {
      check(access);
      return toContent(find(reference));
    },
    async fetchUnpackedSizes({ access, layers }) {
      relay.sized.push(...layers.map(({ digest }) => digest));
      return relay.failures.has(access.address) ? new Map() : relay.unpackedBytes;
    },
    offer({ reference, digest, onFailed }) {
      const name = toName();
      const failure = relay.offerFailure;
      if (relay.isReached) {
        engine.served.set(`${ADDRESS}/${name}:latest`, find({ ...reference, digest }));
      }
      relay.offered.add(name);
      // As the real one: while the engine pulls.
      if (failure !== undefined) queueMicrotask(() => onFailed?.(failure));
      return {
        reference: { registry: ADDRESS, repository: name, digest },
        get wasAsked() {
          return wasAsked(name);
        },
        failure,
        end() {
          relay.offered.delete(name);
          engine.served.delete(`${ADDRESS}/${name}:latest`);
        },
      };
    },
    offerProbe() {
      const name = toName();
      return {
        reference: { registry: ADDRESS, repository: name, tag: 'probe' },
        get wasAsked() {
          return wasAsked(name);
        },
        end: () => undefined,
      };
    },
    keptSizes: () => relay.keptBytes,
    setRate(bytesPerSecond) {
      relay.rate = bytesPerSecond;
    },
    async forget(digests) {
      for (const digest of digests) relay.forgotten.add(digest);
    },
    async keepOnly(digests) {
      relay.kept = digests;
    },
    keepListed(registries) {
      relay.listed = registries.flatMap(({ address, credentials }) =>
        credentials.map(({ username, password }) => `${address} ${username} ${password.reveal()}`),
      );
    },
  };
  return relay;
}

function toContent({ digest, id, platform, layers, diffIds }: ServedImage): ImageContent {
  return {
    digest,
    platforms: [platform],
    config: { digest: id, sizeBytes: 1000 },
    layers: Object.entries(layers).map(([layerId, sizeBytes], index) => ({
      digest: `sha256:${layerId.padEnd(64, '0')}`,
      sizeBytes,
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      diffId: diffIds[index] ?? '',
    })),
  };
}
