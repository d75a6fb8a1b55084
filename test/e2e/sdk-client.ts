import device from 'azure-iot-device';
import type { ModuleClient, Twin } from 'azure-iot-device';
import transport from 'azure-iot-device-mqtt';
import { expect } from 'vitest';
import type { Edge } from '#lab/edge';

/** The SDK's way to tokens, as a module makes it from its environment. */
export function createProvider(edge: Edge): device.IotEdgeAuthenticationProvider {
  const variable = (name: string): string => edge.environment[`IOTEDGE_${name}`] ?? '';
  const provider = new device.IotEdgeAuthenticationProvider({
    workloadUri: variable('WORKLOADURI'),
    deviceId: variable('DEVICEID'),
    moduleId: variable('MODULEID'),
    iothubHostName: variable('IOTHUBHOSTNAME'),
    authScheme: variable('AUTHSCHEME'),
    gatewayHostName: variable('GATEWAYHOSTNAME'),
    generationId: variable('MODULEGENERATIONID'),
  });
  provider.on('error', () => {});
  return provider;
}

/** A client of the SDK that is open, with the SDK's own retries. */
export async function openClient(edge: Edge, provider = createProvider(edge)): Promise<ModuleClient> {
  const ca = await new Promise<string>((resolve, reject) => {
    provider.getTrustBundle((error, pem) => {
      if (error) reject(error);
      else resolve(pem ?? '');
    });
  });
  const client = device.ModuleClient.fromAuthenticationProvider(provider, transport.Mqtt);
  await client.setOptions({ ca, productInfo: 'lab-test/1.0', keepalive: 30 });
  client.on('error', () => {});
  await client.open();
  return client;
}

/** Listens to a method that answers 202 with the payload that it got, and waits until it is in place. */
export async function listenToEcho(edge: Edge, client: ModuleClient): Promise<void> {
  client.onMethod('echo', (request, response) => {
    void response?.send(202, { got: request?.payload });
  });
  await expect.poll(() => [...edge.subscriptions], WAIT).toContain('$iothub/methods/POST/#');
}

/** Listens to desired patches, and waits until they can come. */
export async function collectPatches(edge: Edge, twin: Twin): Promise<readonly object[]> {
  const patches: object[] = [];
  let isFirst = true;
  twin.on('properties.desired', (patch: object) => {
    // The first is the document itself.
    if (!isFirst) patches.push(patch);
    isFirst = false;
  });
  await expect.poll(() => [...edge.subscriptions], WAIT).toContain('$iothub/twin/PATCH/properties/desired/#');
  return patches;
}

/** Reports a patch; resolves when the SDK says that it was a success. */
export function report(twin: Twin, patch: object): Promise<void> {
  return new Promise((resolve, reject) => {
    twin.properties.reported.update(patch, (error: unknown) => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
}

/** How conditions are waited for. */
export const WAIT = { timeout: 20_000, interval: 20 };
