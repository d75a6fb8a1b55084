import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import mqttPacket from 'mqtt-packet';
import '#adapters/iothub-transport';

it('switches the number cache off in the very mqtt-packet that the SDK writes with', () => {
  const fromSdk = createRequire(createRequire(import.meta.url).resolve('azure-iot-device-mqtt'));
  const fromMqttBase = createRequire(fromSdk.resolve('azure-iot-mqtt-base'));
  const fromMqtt = createRequire(fromMqttBase.resolve('mqtt'));
  const used = fromMqtt('mqtt-packet') as typeof mqttPacket;
  expect(used.writeToStream).toBe(mqttPacket.writeToStream);
  expect(used.writeToStream.cacheNumbers).toBe(false);
});
