import type { JsonObject } from '#core/merge-patch';
import type { Twin } from '#test/az/hub-query';
import { ADDRESS, startStage } from '../unit/agent/stage.ts';
import type { Stage } from '../unit/agent/stage.ts';

/** What each device of {@link makeFleet} is in the middle of. */
export const STANDINGS = [
  'ready-1',
  "ready-2'",
  'pulling',
  'not-synced',
  'refused',
  'behind',
  'silent',
  'previous',
] as const;

const NEXT: JsonObject = { hello: { image: 'hello-world:1' }, camera: { image: 'acme/camera:1.5' } };
const PREVIOUS: JsonObject = { ...NEXT, camera: { image: 'acme/camera:1.4' } };

/**
 * Device and module twins of a fleet that is on its way from camera 1.4 to 1.5: each module's reported properties are
 * what the agent itself reported, with nothing real around it.
 */
export async function makeFleet(): Promise<{ devices: Twin[]; modules: Twin[] }> {
  const modules: Twin[] = [];
  for (const [index, deviceId] of STANDINGS.entries()) {
    const stage = startStage();
    for (const image of ['hello-world:1', 'acme/camera:1.4', 'acme/camera:1.5']) {
      stage.engine.serve(`${ADDRESS}/${image}`);
    }
    // Devices joined the fleet at different times: their counts of desired properties differ.
    for (let before = 0; before < index; before += 1) stage.hub.setDesired({});
    await play(deviceId, stage);
    const { desired, reported } = stage.hub;
    const properties = {
      desired: deviceId === 'behind' ? { ...desired, images: NEXT, $version: 99 } : desired,
      reported: deviceId === 'silent' ? {} : reported,
    };
    modules.push({ deviceId, moduleId: 'puller', properties: structuredClone(properties) });
    modules.push({ deviceId, moduleId: '$edgeAgent', properties: { desired: {}, reported: {} } });
  }
  return { devices: STANDINGS.map((deviceId) => ({ deviceId, tags: { site: 'oslo' } })), modules };
}

async function play(deviceId: (typeof STANDINGS)[number], { engine, desire, clock }: Stage): Promise<void> {
  engine.pullsFinishAtOnce = deviceId !== 'pulling';
  if (deviceId === 'not-synced') engine.served.delete(`${ADDRESS}/acme/camera:1.5`);
  if (deviceId === 'refused') engine.passwords.set(ADDRESS, { device: 'another' });
  await desire(deviceId === 'previous' || deviceId === 'behind' ? PREVIOUS : NEXT);
  await clock.advance(5000);
}
