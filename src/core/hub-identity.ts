import type { Secret } from '#core/secret';

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
