import type { Secret } from '#core/secret';

/** What the module is called; never secret. */
export interface HubNames {
  readonly iothub: string;
  /** edgeHub's host name: on the device itself, the device's. */
  readonly gateway: string;
  readonly device: string;
  readonly module: string;
}

/** The names in an identity; empty where it does not tell. */
export function toHubNames(identity: HubIdentity): HubNames {
  if (identity.kind === 'workload') {
    const {
      iothubHostName: iothub,
      gatewayHostName: gateway = '',
      deviceId: device,
      moduleId: module,
    } = identity;
    return { iothub, gateway, device, module };
  }
  const text = identity.connectionString.reveal();
  const toPart = (key: string): string => new RegExp(`(?:^|;)${key}=([^;]*)`).exec(text)?.[1] ?? '';
  return {
    iothub: toPart('HostName'),
    gateway: toPart('GatewayHostName'),
    device: toPart('DeviceId'),
    module: toPart('ModuleId'),
  };
}

/** How the module proves to edgeHub who it is. */
export type HubIdentity =
  /** By signatures of the security daemon: how edgeAgent starts a module. */
  | {
      readonly kind: 'workload';
      /** `unix:///…` or `http://host:port`. */
      readonly workloadUri: string;
      readonly deviceId: string;
      readonly moduleId: string;
      readonly generationId: string;
      readonly iothubHostName: string;
      /** `sasToken`, in whatever case. */
      readonly authScheme: string;
      /** edgeHub's host name; without one the module speaks to IoT Hub itself. */
      readonly gatewayHostName?: string;
    }
  /** By a key of its own: how a developer's simulator starts it. */
  | {
      readonly kind: 'connection-string';
      readonly connectionString: Secret;
      /** A PEM file with the CA of edgeHub's certificate. */
      readonly caFile?: string;
    };
