import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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

/** Memory outside V8's heap that packets of so many lengths leave behind, with other small buffers made between them. */
function measureLeftBytes(fromLength: number, toLength: number): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const stream = new Writable({ write: (_chunk, _encoding, callback) => callback() });
  collect();
  const before = process.memoryUsage().arrayBuffers;
  for (let length = fromLength; length < toLength; length += 1) {
    const payload = Buffer.alloc(length);
    mqttPacket.writeToStream(
      { cmd: 'publish', topic: 't', payload, qos: 0, dup: false, retain: false },
      stream,
    );
    // As much as a slab, by and by.
    for (let count = 0; count < 20; count += 1) Buffer.from('x'.repeat(4000));
  }
  collect();
  return process.memoryUsage().arrayBuffers - before;
}

it('lets no packet hold a slab of Node.js', () => {
  expect(measureLeftBytes(1000, 1400)).toBeLessThan(1_000_000);
  // That it would else shows that this is still of use.
  Buffer.poolSize = 65_536;
  try {
    expect(measureLeftBytes(2000, 2400)).toBeGreaterThan(10_000_000);
  } finally {
    Buffer.poolSize = 0;
  }
});
