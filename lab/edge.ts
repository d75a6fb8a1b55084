import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createCertificateAuthority, issueServerCertificate } from './certificates.ts';
import type { Certificate } from './certificates.ts';
import { createFaults } from './edge/faults.ts';
import type { Faults } from './edge/faults.ts';
import { createValve } from './edge/gate.ts';
import { startHubListener } from './edge/hub.ts';
import { createIdentity, findLoginFault, toClientType } from './edge/identity.ts';
import type { Login, ModuleIdentity } from './edge/identity.ts';
import { createMethodCalls } from './edge/methods.ts';
import type { MethodOptions, MethodResult } from './edge/methods.ts';
import { createModuleFace } from './edge/module-face.ts';
import type { Observed, Report, Telemetry } from './edge/module-face.ts';
import { formatDesiredTopic, SUBSCRIPTIONS } from './edge/topics.ts';
import { createSync } from './edge/sync.ts';
import type { TwinObject } from './edge/twin-rules.ts';
import { createTwin } from './edge/twin.ts';
import { createReportedWaiters } from './edge/waiters.ts';
import { startWorkload } from './edge/workload.ts';

export { NO_FAULTS } from './edge/faults.ts';
export type { Faults, MethodOptions, MethodResult, Report, Telemetry, TwinObject };

/** What {@link startEdge} takes. */
export interface EdgeOptions {
  /** An existing folder, with a short path; a new one is made in it and removed by `stop`. */
  readonly dir: string;
  /** Default `lab.azure-devices.net`; never contacted. */
  readonly hubHost?: string;
  readonly deviceId?: string;
  readonly moduleId?: string;
  /** Of edgeHub, and the CA that signed it. Default: made anew. */
  readonly issued?: EdgeCertificate;
  /** Given to the module as `IOTEDGE_PARENTHOSTNAME`, as on a nested device. */
  readonly parentHostName?: string;
  /** Called with one line for each thing that happens; no line holds a secret or a twin. */
  readonly log?: (line: string) => void;
}

/** What edgeHub shows, and what modules are given to trust it by. */
export interface EdgeCertificate {
  readonly certificate: Certificate;
  readonly authorityPem: string;
}

/** An IoT Edge device as one module sees it: the workload API, edgeHub, and IoT Hub behind it. */
export interface Edge {
  /** What edgeAgent would put into the module's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly faults: Faults;

  /** IoT Hub's view, with `$version`. */
  desired(): TwinObject;
  /** IoT Hub's view, with `$version`. */
  reported(): TwinObject;
  /** Whether IoT Hub refuses what edgeHub has accepted (over 32 KB in all), so that reported stands still. */
  readonly stuck: boolean;
  /** Replaces the desired properties, and pushes them to a module that is connected and subscribed; queues nothing. */
  setDesired(document: TwinObject): void;
  /** Merges into the desired properties (null deletes, arrays are replaced) and pushes likewise. */
  patchDesired(patch: TwinObject): void;
  /**
   * Resolves with the reported properties that satisfy the predicate.
   * @param deadlineMs default 10,000
   * @throws with the last reported properties in the message, when time is up or the edge stops
   */
  waitForReported(predicate: (reported: TwinObject) => boolean, deadlineMs?: number): Promise<TwinObject>;
  /** Calls a direct method. Never rejects: 404 where no module listens, 504 where none answers in time. */
  invokeMethod(name: string, payload?: unknown, options?: MethodOptions): Promise<MethodResult>;
  /** Sends any bytes on any topic that the module has subscribed to. */
  publish(topic: string, body: Buffer | string): void;

  /** Every reported patch that came, accepted or refused. */
  readonly reports: readonly Report[];
  readonly telemetry: readonly Telemetry[];
  readonly twinGets: number;
  /** TCP connections to edgeHub that came, whatever became of them. */
  readonly attempts: number;
  /** MQTT connections that edgeHub let in. */
  readonly connections: number;
  readonly connected: boolean;
  /** What the module's session is subscribed to, connected or not. */
  readonly subscriptions: ReadonlySet<string>;

  /** Closes edgeHub's port and drops its connections. */
  stopHub(): Promise<void>;
  /**
   * Opens the same port again. With its sessions lost, edgeHub is one that was created anew: clients' subscriptions
   * are gone. Default: kept.
   */
  startHub(options?: { readonly sessions: 'kept' | 'lost' }): Promise<void>;
  stopWorkload(): Promise<void>;
  startWorkload(): Promise<void>;
  /** Drops every connection to edgeHub. */
  cutConnections(): void;
  /**
   * Gives edgeHub a certificate of a new CA, and drops its connections.
   * @returns puts the new CA into the trust bundle, in the old one's place
   */
  renewAuthority(): Promise<() => void>;
  /** Ends everything and removes its folder. */
  stop(): Promise<void>;
}

/** Starts a device with one module identity, whose desired properties are empty. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { hubHost = 'lab.azure-devices.net', deviceId = 'lab-device', moduleId = 'puller' } = options;
  const log = options.log ?? (() => {});
  const dir = await mkdtemp(join(options.dir, 'edge-'));
  const identity = createIdentity({ hubHost, deviceId, moduleId });
  const ending = new AbortController();
  const twin = createTwin();
  const valve = createValve();
  const observed: Observed = { reports: [], telemetry: [], twinGets: 0 };
  const waiters = createReportedWaiters(twin.reported);
  const faults = createFaults(() => {
    valve.setShut(faults.blackHole);
    passUp();
  });
  const passUp = createSync({ twin, faults, onSynchronised: waiters.look, signal: ending.signal });

  const judge = (login: Login): number => {
    if (faults.refuseConnack !== undefined) return faults.refuseConnack;
    const fault = findLoginFault(identity, login, Date.now());
    if (fault === undefined) log(`edgeHub: lets in ${login.clientId}, ${toClientType(login)}`);
    else log(`edgeHub: refuses ${login.clientId}: ${fault}`);
    return fault === undefined ? 0 : 5;
  };

  const methods = createMethodCalls({
    isReachable: () => hub.isSubscribed(SUBSCRIPTIONS.methods),
    publish: (topic, body) => hub.publish(topic, body),
  });
  const onPublish = createModuleFace({
    twin,
    faults,
    methods,
    observed,
    publish: (topic, body) => hub.publish(topic, body),
    passUp,
    signal: ending.signal,
    log,
  });

  const issued = options.issued ?? (await issueEdgeCertificate(dir));
  let { authorityPem } = issued;
  const socketPath = join(dir, 'workload.sock');
  const toTrustBundlePem = (): string => authorityPem;
  const workload = await startWorkload({ socketPath, identity, toTrustBundlePem, faults, log });
  const hub = await startHubListener({ certificate: issued.certificate, valve, judge, onPublish, log });

  function changeDesired(kind: 'replace' | 'merge', change: TwinObject): void {
    const { version, patch } = twin.changeDesired(kind, change);
    log(`IoT Hub: desired version ${version}`);
    if (faults.upstreamAway || faults.dropDesiredPatches) return;
    if (!hub.isSubscribed(SUBSCRIPTIONS.desired)) return;
    twin.storeDesired();
    hub.publish(formatDesiredTopic(version), JSON.stringify(patch));
  }

  return {
    environment: createEnvironment(identity, socketPath, hub.port, options.parentHostName),
    faults,
    desired: twin.desired,
    reported: twin.reported,
    get stuck() {
      return twin.isStuck;
    },
    setDesired: (document) => changeDesired('replace', document),
    patchDesired: (patch) => changeDesired('merge', patch),
    waitForReported: waiters.wait,
    invokeMethod: (name, payload, methodOptions = {}) => methods.invoke(name, payload, methodOptions),
    publish: hub.publish,
    reports: observed.reports,
    telemetry: observed.telemetry,
    get twinGets() {
      return observed.twinGets;
    },
    get attempts() {
      return hub.attempts;
    },
    get connections() {
      return hub.connections;
    },
    get connected() {
      return hub.isConnected;
    },
    subscriptions: hub.subscriptions,
    stopHub: hub.stop,
    startHub: ({ sessions } = { sessions: 'kept' }) => hub.start(sessions),
    stopWorkload: workload.stop,
    startWorkload: workload.start,
    cutConnections: hub.cut,
    async renewAuthority() {
      const renewed = await issueEdgeCertificate(dir);
      hub.setCertificate(renewed.certificate);
      hub.cut();
      return () => ({ authorityPem } = renewed);
    },
    async stop() {
      ending.abort();
      methods.end();
      waiters.end();
      await Promise.all([hub.end(), workload.stop()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Makes a CA and a certificate for edgeHub, in a folder that exists. */
export async function issueEdgeCertificate(dir: string): Promise<EdgeCertificate> {
  const authority = await createCertificateAuthority({ dir, name: 'Lab edge CA' });
  const certificate = await issueServerCertificate({
    dir,
    authority,
    commonName: 'edgehub',
    // The second is this machine's for a container with a network of its own.
    dnsNames: ['localhost', 'host.docker.internal'],
    ipAddresses: ['127.0.0.1'],
  });
  return { certificate, authorityPem: authority.certificatePem };
}

function createEnvironment(
  identity: ModuleIdentity,
  socketPath: string,
  port: number,
  parentHostName: string | undefined,
): Record<string, string> {
  return {
    IOTEDGE_WORKLOADURI: `unix://${socketPath}`,
    IOTEDGE_AUTHSCHEME: 'sasToken',
    IOTEDGE_MODULEGENERATIONID: identity.generationId,
    IOTEDGE_IOTHUBHOSTNAME: identity.hubHost,
    IOTEDGE_GATEWAYHOSTNAME: `localhost:${port}`,
    ...(parentHostName === undefined ? {} : { IOTEDGE_PARENTHOSTNAME: parentHostName }),
    IOTEDGE_DEVICEID: identity.deviceId,
    IOTEDGE_MODULEID: identity.moduleId,
    IOTEDGE_APIVERSION: '2018-06-28',
  };
}
