import { expect, test, vi } from 'vitest';
import { IS_LONG, LONG_WAIT, toSeeds, useRelayStage } from './relay-stage.ts';
import { makeImage } from './scene.ts';
import type { Json } from './scene.ts';

vi.setConfig({ testTimeout: LONG_WAIT.timeout });

const CAP = 1_000_000;
/** A machine that other tests keep busy wakes late, and what it did not use of the rate is not made up for. */
const AT_LEAST = IS_LONG ? 0.9 : 0.7;
const LAYER = IS_LONG ? 5_000_000 : 1_500_000;

const BLOBS = /\/blobs\//;

const onStage = useRelayStage();

/** Pulls two images of two layers from two registries. @returns bytes a second that both send */
async function measureRate(name: string, settings: Json): Promise<number> {
  const stage = onStage();
  const { registry } = stage;
  registry.faults.totalBytesPerSecond = undefined;
  const other = await stage.startOpenRegistry();
  await other.push(await makeImage(toSeeds(`${name}-other`, 2), LAYER), 'other', '1');
  await stage.pushLayers(`acme/${name}:1`, toSeeds(name, 2), LAYER);
  const images = { one: { image: `acme/${name}:1`, registry: 'plant' }, two: `${other.address}/other:1` };
  stage.desire(images, settings, { plant: stage.plant, other: { address: other.address } });
  stage.startModule();
  // What the system holds for a connection is sent at once: over the whole it is the pace that counts.
  const servedBefore = registry.bytesServed(BLOBS);
  const hasBegun = (): boolean => registry.bytesServed(BLOBS) + other.bytesServed(BLOBS) > servedBefore;
  await expect.poll(hasBegun, { ...LONG_WAIT, interval: 20 }).toBe(true);
  const beganMs = performance.now();
  await stage.waitForReady(LONG_WAIT.timeout);
  expect(stage.image('one')['transport']).toBe('relay');
  const bytes = registry.bytesServed(BLOBS) - servedBefore + other.bytesServed(BLOBS);
  const rate = bytes / ((performance.now() - beganMs) / 1000);
  if (IS_LONG) console.log(`FIGURE ${name}: ${Math.round(rate)} bytes a second`);
  return rate;
}

test('all downloads together keep to maxBytesPerSecond within a tenth', async () => {
  const rate = await measureRate('cap', { maxBytesPerSecond: CAP });
  expect(rate).toBeGreaterThan(AT_LEAST * CAP);
  expect(rate).toBeLessThan(1.1 * CAP);
});

test('outside of a pull window that throttles, pulls go on that slowly', async () => {
  const hour = new Date().getUTCHours();
  const toTime = (hours: number): string => `${String((hour + hours) % 24).padStart(2, '0')}:00`;
  const pullWindow = { start: toTime(10), end: toTime(11), outsideBytesPerSecond: CAP };
  const rate = await measureRate('window', { pullWindow });
  expect(rate).toBeGreaterThan(AT_LEAST * CAP);
  expect(rate).toBeLessThan(1.1 * CAP);
});
