import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
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

/** What packets of so many lengths leave in memory outside V8's heap, with other small buffers made between them. */
function writePackets(fromLength: number, toLength: number): () => number {
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
  return () => {
    collect();
    return process.memoryUsage().arrayBuffers - before;
  };
}

it('lets no packet hold a slab of Node.js', async () => {
  // V8 takes buffers away beside the program.
  await expect.poll(writePackets(1000, 1400), { timeout: 10_000 }).toBeLessThan(1_000_000);
  // That it would else shows that this is still of use.
  Buffer.poolSize = 65_536;
  try {
    const measure = writePackets(2000, 2400);
    for (let time = 0; time < 5; time += 1) {
      expect(measure()).toBeGreaterThan(10_000_000);
      await setTimeout(20);
    }
  } finally {
    Buffer.poolSize = 0;
  }
});
