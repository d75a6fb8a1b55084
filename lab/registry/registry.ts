import { mkdir } from 'node:fs/promises';
import { createBackingClient } from './backing-client.ts';
import { startBacking } from './backing.ts';
import type { ClientToken } from './client-tokens.ts';
import type { RegistryContent } from './content.ts';
import { createContent } from './content.ts';
import { createDelivery } from './delivery.ts';
import type { RegistryFaults } from './faults.ts';
import { NO_REGISTRY_FAULTS } from './faults.ts';
import type { FrontOptions, TlsFiles } from './front.ts';
import { startFront } from './front.ts';
import type { DenialStyle, RegistryAuth } from './guard.ts';
import { createGuard } from './guard.ts';
import type { Gateway } from './gateway.ts';
import { createGateway } from './gateway.ts';
import type { RegistryRequest, TokenRequest } from './request-log.ts';
import { TOKEN_PATH } from './targets.ts';
import type { TokenSigner } from './token-signer.ts';
import { createTokenSigner } from './token-signer.ts';

const HOUR_MS = 3_600_000;

/** What {@link startRegistry} takes. */
export interface RegistryOptions {
  /** A folder for all that the registry keeps, made when it is missing. It outlives the registry. */
  readonly dir: string;
  /** The address to listen at, an IP address of this machine or `localhost`. Default `127.0.0.1`. */
  readonly host?: string;
  /** The host name that clients use, when it is not `host`. */
  readonly publicHost?: string;
  /** PEM files; plain HTTP without them. */
  readonly tls?: NonNullable<FrontOptions['tls']>;
  /** Default `token`, as the connected registry. */
  readonly auth?: RegistryAuth;
}

/** A registry on one machine that behaves as the connected registry behind its API proxy. */
export interface Registry extends RegistryContent {
  /** `host:port`, the first part of references. */
  readonly address: string;
  /** With the scheme, for clients that are not an engine. */
  readonly url: string;
  readonly tokens: Map<string, ClientToken>;
  /** Actions such as `repositories/hello-world/content/read`, by the name of the map. */
  readonly scopeMaps: Map<string, readonly string[]>;
  readonly faults: RegistryFaults;
  /** How a pull without the right to it is refused. Default `insufficient-scopes`. */
  denialStyle: DenialStyle;
  /** Of the tokens handed out from now on; 60 s more are forgiven. Default one hour. */
  tokenLifetimeMs: number;
  /** All requests at the address, tokens' too, oldest first. */
  readonly requests: readonly RegistryRequest[];
  readonly tokenRequests: readonly TokenRequest[];
  /** Of the answers' bodies, those for matching paths or all. */
  bytesServed(path?: RegExp): number;
  /** Refuses connections. The content can still be changed. */
  stop(): Promise<void>;
  /** Accepts connections again, at the same address. */
  start(): Promise<void>;
  /** Serves another certificate from now on. @throws where it speaks plain HTTP */
  renewCertificate(tls: TlsFiles): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

/**
 * Starts the real docker-registry and puts a front before it that hands out tokens, counts and breaks things.
 * @throws when docker-registry or openssl is missing.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { dir, host = '127.0.0.1', auth = 'token', tls } = options;
  await mkdir(dir, { recursive: true });
  const tokens = new Map<string, ClientToken>();
  const scopeMaps = new Map<string, readonly string[]>();
  const faults: RegistryFaults = { ...NO_REGISTRY_FAULTS };
  const requests: RegistryRequest[] = [];
  const tokenRequests: TokenRequest[] = [];

  const signer = await createTokenSigner(dir);
  // The registry behind must know the address, which is known once the front listens.
  const { promise: gateway, resolve: openGateway } = Promise.withResolvers<Gateway>();
  const front = await startFront({
    host,
    ...(tls === undefined ? {} : { tls }),
    onRequest: (request, response) => void gateway.then((serve) => serve(request, response)),
  });
  const address = `${options.publicHost ?? host}:${front.port}`;
  const url = `${tls === undefined ? 'http' : 'https'}://${address}`;
  const tokenAuth = {
    realm: `${url}${TOKEN_PATH}`,
    service: address,
    issuer: signer.issuer,
    rootcertbundle: signer.certificatePath,
  };
  const backing = await startBacking(auth === 'token' ? { dir, tokenAuth } : { dir }).catch(
    async (error: unknown) => {
      await front.stop();
      throw error;
    },
  );
  const call = createBackingClient({
    socketPath: backing.socketPath,
    address,
    authorize: (repositories) => ({ authorization: `Bearer ${mintLabToken(signer, address, repositories)}` }),
  });
  openGateway(
    createGateway({
      socketPath: backing.socketPath,
      faults,
      delivery: createDelivery(faults),
      onRequest: (record) => void requests.push(record),
      answer: createGuard({
        auth,
        tokens,
        scopeMaps,
        denialStyle: () => registry.denialStyle,
        realm: tokenAuth.realm,
        tokensEndOnTime: () => faults.tokensEndOnTime,
        tokenEndpoint: {
          signer,
          service: address,
          tokens,
          scopeMaps,
          lifetimeMs: () => registry.tokenLifetimeMs,
          onAnswer: (request) => void tokenRequests.push(request),
        },
      }),
    }),
  );

  const registry: Registry = {
    ...createContent(call, backing.dataDir),
    address,
    url,
    denialStyle: 'insufficient-scopes',
    tokenLifetimeMs: HOUR_MS,
    tokens,
    scopeMaps,
    faults,
    requests,
    tokenRequests,
    bytesServed: (path) =>
      requests.reduce(
        (total, { path: served, bytes }) => total + (path?.test(served) === false ? 0 : bytes),
        0,
      ),
    stop: () => front.stop(),
    start: () => front.start(),
    renewCertificate: (files) => front.renew(files),
    async close() {
      await front.stop();
      await backing.close();
    },
  };
  return registry;
}

/** The lab's own way in, for everything in the repositories. */
function mintLabToken(signer: TokenSigner, audience: string, repositories: readonly string[]): string {
  const access = repositories.map((name) => ({
    type: 'repository',
    name,
    actions: ['pull', 'push', 'delete', '*'],
  }));
  return signer.mint({ subject: 'lab', audience, access, lifetimeMs: HOUR_MS });
}
