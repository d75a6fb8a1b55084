import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import common from 'azure-iot-common';
import device from 'azure-iot-device';
import type { ModuleClient, Twin } from 'azure-iot-device';
import { GuardedMqtt } from '#adapters/iothub-transport';
import type { HubIdentity } from '#core/hub-identity';

const { IotEdgeAuthenticationProvider, ModuleClient: Client, SharedAccessKeyAuthenticationProvider } = device;

/** One client that is open; it is used until it is lost, and then replaced. */
export interface OpenClient {
  readonly client: ModuleClient;
  /** The SDK's: for its events, and to report by. */
  readonly twin: Twin;
  /** The last whole twin that was fetched, in JSON. */
  readonly toTwinJson: () => string;
  /** Fetches the whole twin anew. */
  fetchTwin(): Promise<void>;
  /** Gives up after 3 s: a black-holed socket never closes. */
  close(): Promise<void>;
}

/** How long neighbours are waited for: no call of the SDK has a limit of its own. */
export interface HubLimits {
  /** A peer that died without a word is found within twice this time. */
  readonly keepaliveSeconds: number;
  readonly workloadMs: number;
  readonly openMs: number;
  /** edgeHub itself waits up to 50 s for the cloud. */
  readonly twinMs: number;
  readonly reportMs: number;
  readonly methodMs: number;
}

/** What a module in the field uses. */
export const HUB_LIMITS: HubLimits = {
  keepaliveSeconds: 45,
  workloadMs: 30_000,
  openMs: 60_000,
  twinMs: 90_000,
  reportMs: 60_000,
  methodMs: 25_000,
};

const CLOSE_TIMEOUT_MS = 3000;

/** What {@link openClient} takes. */
export interface ClientOptions {
  readonly identity: HubIdentity;
  readonly productInfo: string;
  readonly limits: HubLimits;
  /** Called, perhaps more than once, when the client is of no more use. */
  readonly onLost: (error: unknown) => void;
}

/**
 * Builds a client and opens it: twin fetched, nothing registered.
 *
 * The order matters to azure-iot-device 1.18.4: without a listener a failed token renewal ends the process, and
 * `setOptions` forgets every option that is not named again.
 *
 * @throws whatever the SDK says, or an Error when it says nothing in time
 */
export async function openClient(options: ClientOptions): Promise<OpenClient> {
  const { productInfo, limits, onLost } = options;
  const { provider, ca, endCalls } = await createProvider(options);
  let twinJson = '{}';
  class Transport extends GuardedMqtt {
    protected override onTwin(json: string): void {
      twinJson = json;
    }
  }
  const client = Client.fromAuthenticationProvider(provider, Transport);
  client.on('error', onLost);
  client.on('disconnect', () => onLost(new Error('edgeHub closed the connection')));
  const fetchTwin = (): Promise<Twin> => within(limits.twinMs, 'get twin', client.getTwin());
  const close = (): Promise<void> => {
    provider.stop();
    endCalls();
    return closeClient(client);
  };
  try {
    await client.setOptions({
      ...(ca === undefined ? {} : { ca }),
      keepalive: limits.keepaliveSeconds,
      productInfo,
    });
    client.setRetryPolicy(new common.NoRetry());
    await within(limits.openMs, 'open', client.open());
    const twin = await fetchTwin();
    return {
      client,
      twin,
      toTwinJson: () => twinJson,
      async fetchTwin() {
        await fetchTwin();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function closeClient(client: ModuleClient): Promise<void> {
  // One that was given up while it connected would take the connection from its successor.
  client.once('connect', () => void client.close().catch(() => undefined));
  try {
    await within(CLOSE_TIMEOUT_MS, 'close', client.close());
  } catch {
    // It is dropped either way.
  }
}

/** `promise`, or a rejection after `timeoutMs`. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** `promise`, or a rejection with the signal's reason as soon as it aborts. */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

type IotEdgeProvider = InstanceType<typeof IotEdgeAuthenticationProvider>;

type Provider = IotEdgeProvider | InstanceType<typeof SharedAccessKeyAuthenticationProvider>;

/** The part of the SDK's own that is used. */
interface RestApiClient {
  readonly setOptions: (options: { readonly http: { readonly agent: Agent } }) => void;
}

/** Whom a client is let in by. */
interface Entry {
  readonly provider: Provider;
  readonly ca: string | undefined;
  /** Ends the calls of the workload API that are not answered. */
  readonly endCalls: () => void;
}

async function createProvider({ identity, limits, onLost }: ClientOptions): Promise<Entry> {
  if (identity.kind === 'connection-string') {
    const { connectionString, caFile } = identity;
    const provider = SharedAccessKeyAuthenticationProvider.fromConnectionString(connectionString.reveal());
    provider.on('error', onLost);
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    return { provider, ca, endCalls: () => undefined };
  }
  const { kind: _kind, ...config } = identity;
  const provider = new IotEdgeAuthenticationProvider({ ...config, authScheme: 'sasToken' });
  provider.on('error', onLost);
  const endCalls = ownCalls(provider);
  const trustBundle = new Promise<string>((resolve, reject) => {
    provider.getTrustBundle((error, bundle) => (bundle === undefined ? reject(error) : resolve(bundle)));
  });
  try {
    return { provider, ca: await within(limits.workloadMs, 'trust bundle', trustBundle), endCalls };
  } catch (error) {
    endCalls();
    throw error;
  }
}

/**
 * Gives a provider's calls sockets of their own: the SDK's calls have no limit, and one that was given up would keep its
 * socket for ever.
 *
 * @returns what closes the sockets
 */
function ownCalls(provider: IotEdgeProvider): () => void {
  const agent = new Agent();
  const api = Reflect.get(provider, '_restApiClient') as RestApiClient;
  api.setOptions({ http: { agent } });
  return () => agent.destroy();
}
