import type { DeviceMethodRequest, DeviceMethodResponse } from 'azure-iot-device';
import { toMessage } from '#adapters/iothub-message';
import { ReportRefused } from '#adapters/iothub-transport';
import { HUB_LIMITS, openClient, unlessAborted, within } from '#adapters/iothub-client';
import type { HubLimits, OpenClient } from '#adapters/iothub-client';
import type {
  Clock,
  Hub,
  Log,
  MethodAnswer,
  MethodHandler,
  MethodHandlers,
  TwinDocument,
} from '#agent/ports';
import { backoffMs, jitterMs } from '#core/backoff';
import type { HubIdentity } from '#core/hub-identity';

export interface IotHubOptions {
  readonly identity: HubIdentity;
  readonly clock: Clock;
  readonly log: Log;
  /** Appended to the SDK's own in what edgeHub is told. */
  readonly productInfo: string;
  /** Default {@link HUB_LIMITS}. */
  readonly limits?: Partial<HubLimits>;
}

/** The hub, and what `main` alone does with it. */
export interface IotHub extends Hub {
  /** Before `run`. */
  setMethods(methods: MethodHandlers): void;
  /** Drops the client, if there is one, for a new one. */
  rebuild(): void;
}

/** Patches are lost while a connection is renewed, and nothing queues them: the whole twin is fetched now and then. */
export const REFETCH_MS = 30 * 60_000;
/** Patches that follow one another closely are one fetch. */
const REFETCH_SPACING_MS = 1000;
/**
 * Once in the life of the module it is fetched this long after the first fetch: by then edgeHub has passed on what it had of the
 * process before, and only a fetch shows that.
 */
const REVIEW_MS = 60_000;
/** What edgeHub answers while it knows nothing is asked for again soon. */
const EMPTY_REFETCH_MS = 30_000;
/** edgeHub is on the same host: asking it often costs nobody anything. */
const RECONNECT = { retryInitialSeconds: 1, retryMaxSeconds: 30 };
/** A connection that lasted this long was good: the next backoff begins anew. */
const STABLE_MS = 60_000;

interface Connection extends OpenClient {
  readonly lost: AbortController;
}

/**
 * Makes the hub of azure-iot-device: one client after another, for ever. Nothing of the SDK's own repair is relied on:
 * whatever ends, fails or does not answer in time leads to a new client.
 */
export function createIotHub(options: IotHubOptions): IotHub {
  const { identity, clock, log, productInfo } = options;
  const limits = { ...HUB_LIMITS, ...options.limits };
  const listeners: (() => void)[] = [];
  let methods: MethodHandlers = {};
  let connection: Connection | undefined;
  let document: TwinDocument | undefined;
  let connections = 0;
  let fetches = 0;
  let isReviewed = false;
  let dropClient: ((error: unknown) => void) | undefined;
  let outage: { readonly error: string; readonly sinceMs: number } | undefined;
  let lastRefusal: string | undefined;

  const notify = (): void => {
    for (const listener of listeners) listener();
  };

  function take(json: string): void {
    fetches += 1;
    const { desired, reported } = JSON.parse(json) as TwinDocument;
    document = { desired, reported, fetch: fetches, connection: connections };
    notify();
  }

  /** An outage is a line where it begins, one for each other cause, and one where it ends. */
  function tellFailed(error: string): void {
    if (outage?.error === error) log.debug({ error }, 'still not connected to edgeHub');
    else log.warn({ error }, 'not connected to edgeHub; will try again');
    outage = { error, sinceMs: outage?.sinceMs ?? clock.nowMs() };
  }

  function tellRefused(error: string): void {
    if (lastRefusal !== error) log.warn({ error }, 'edgeHub refused a report; will report again');
    lastRefusal = error;
  }

  function tellConnected(): void {
    const awaySeconds = outage && Math.round((clock.nowMs() - outage.sinceMs) / 1000);
    log.info({ connection: connections, awaySeconds }, 'connected to edgeHub');
    outage = undefined;
  }

  async function connect(lost: AbortController): Promise<Connection> {
    const opening = openClient({
      identity,
      productInfo,
      limits,
      onLost: (error) => lost.abort(error),
    });
    try {
      const open = await unlessAborted(lost.signal, opening);
      for (const [name, handler] of Object.entries(methods)) {
        open.client.onMethod(name, (request, response) => {
          if (request !== undefined && response !== undefined) void answer(handler, request, response);
        });
      }
      return { ...open, lost };
    } catch (error) {
      void opening.then(({ close }) => close()).catch(() => undefined);
      throw error;
    }
  }

  /** Fetches the whole twin at every patch and now and then, until the connection is lost. */
  async function followTwin({ twin, fetchTwin, toTwinJson, lost }: Connection): Promise<void> {
    twin.on('error', (error: unknown) => lost.abort(error));
    // What changed between the first fetch and the subscription, which begins here, came as no patch.
    let isPatched = true;
    let awake = new AbortController();
    twin.on('properties.desired', (payload: unknown) => {
      // A fetch announces its own result by the SDK's cache itself; anything else is a patch.
      if (payload === twin.properties.desired) return;
      isPatched = true;
      awake.abort();
    });
    // edgeHub may take the subscription up later than it would answer; and the SDK announces, at the next tick, what was
    // fetched before: after another fetch that would be its cache no more, and count as a patch.
    await clock.sleep(REFETCH_SPACING_MS, lost.signal);
    while (!lost.signal.aborted) {
      if (!isPatched) {
        const isEmpty = document?.desired['$version'] === undefined;
        const whenKnownMs = isReviewed ? REFETCH_MS : REVIEW_MS;
        const delayMs = jitterMs(isEmpty ? EMPTY_REFETCH_MS : whenKnownMs, clock.random());
        await clock.sleep(delayMs, AbortSignal.any([lost.signal, awake.signal]));
        if (!isEmpty && !lost.signal.aborted && !awake.signal.aborted) isReviewed = true;
      }
      if (lost.signal.aborted) return;
      isPatched = false;
      awake = new AbortController();
      await unlessAborted(lost.signal, fetchTwin());
      take(toTwinJson());
      await clock.sleep(REFETCH_SPACING_MS, lost.signal);
    }
  }

  /** One client from its making to its end. @returns how long it was connected, in milliseconds */
  async function serve(signal: AbortSignal): Promise<number> {
    const lost = new AbortController();
    dropClient = (error) => lost.abort(error);
    const end = (): void => lost.abort();
    signal.addEventListener('abort', end, { once: true });
    let openedAtMs: number | undefined;
    try {
      connection = await connect(lost);
      openedAtMs = clock.nowMs();
      connections += 1;
      tellConnected();
      take(connection.toTwinJson());
      await followTwin(connection);
      lost.signal.throwIfAborted();
    } catch (error) {
      if (!signal.aborted) tellFailed(toText(error));
    } finally {
      signal.removeEventListener('abort', end);
      const close = connection?.close;
      connection = undefined;
      lost.abort();
      notify();
      await close?.();
    }
    return openedAtMs === undefined ? 0 : clock.nowMs() - openedAtMs;
  }

  async function answer(
    handler: MethodHandler,
    { payload, methodName }: DeviceMethodRequest,
    response: DeviceMethodResponse,
  ): Promise<void> {
    // One that throws at once is answered for too.
    const call = async (): Promise<MethodAnswer> => handler(payload);
    try {
      const { status, payload: body } = await within(limits.methodMs, methodName, call()).catch(
        (error: unknown) => ({ status: 500, payload: { reason: 'Unknown', message: toText(error) } }),
      );
      await response.send(status, body);
      log.debug({ method: methodName, status }, 'method answered');
    } catch (error) {
      log.debug({ method: methodName, error: toText(error) }, 'the answer to a method did not go out');
    }
  }

  return {
    get twin() {
      return document;
    },
    get isConnected() {
      return connection !== undefined;
    },
    onChange(listener) {
      listeners.push(listener);
    },
    setMethods(handlers) {
      methods = handlers;
    },
    rebuild() {
      dropClient?.(new Error('the client is built anew'));
    },
    async report(patch) {
      const current = connection;
      if (current === undefined) throw new Error('not connected to edgeHub');
      const update = new Promise<void>((resolve, reject) => {
        current.twin.properties.reported.update(patch, (error: Error | null | undefined) =>
          error ? reject(error) : resolve(),
        );
      });
      try {
        await unlessAborted(current.lost.signal, within(limits.reportMs, 'report', update));
        lastRefusal = undefined;
      } catch (error) {
        // An answer that does not come may never come again on this client: its subscription may be gone.
        if (!(error instanceof ReportRefused)) current.lost.abort(error);
        else tellRefused(error.message);
        throw error;
      }
    },
    async send(output, message) {
      const current = connection;
      if (current === undefined) throw new Error('not connected to edgeHub');
      const sent = new Promise<void>((resolve, reject) => {
        current.client.sendOutputEvent(output, toMessage(message), (error) =>
          error ? reject(error) : resolve(),
        );
      });
      try {
        await unlessAborted(current.lost.signal, within(limits.reportMs, 'event', sent));
      } catch (error) {
        current.lost.abort(error);
        throw error;
      }
    },
    async run(signal) {
      let failures = 0;
      while (!signal.aborted) {
        const lastedMs = await serve(signal);
        failures = lastedMs >= STABLE_MS ? 1 : failures + 1;
        await clock.sleep(backoffMs(failures, RECONNECT, clock.random()), signal);
      }
    },
  };
}

const toText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
