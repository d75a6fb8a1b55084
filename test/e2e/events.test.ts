import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { compileSchema } from '../unit/contract/documents.ts';
import { startScene, toObject, WAIT } from './scene.ts';
import type { Scene } from './scene.ts';

const validate = compileSchema('events.schema.json');

/** What edgeHub got on the output, `event name reason`. */
function listEvents({ edge }: Scene): string[] {
  return edge.telemetry.map(({ output, properties, body }) => {
    expect(output).toBe('pullEvents');
    expect(validate(body)).toEqual([]);
    const { event, name, reason } = toObject(body);
    expect(properties).toMatchObject({ event, '$.ct': 'application/json', '$.ce': 'utf-8' });
    return [event, name, reason].filter((part) => typeof part === 'string').join(' ');
  });
}

it('each thing that happens is told once on pullEvents, over outages and a restart', async () => {
  const storageFolder = await mkdtemp(join(tmpdir(), 'events-'));
  onTestFinished(() => rm(storageFolder, { recursive: true }));
  const scene = await startScene({ environment: { storageFolder } });
  const { push, desire, plant, startModule, waitForReady, waitForPhases, setPasswords, passwords } = scene;
  const { edge, registry, engine } = scene;
  const events = (): string[] => listEvents(scene);
  // The containerd store tells the bytes of a layer by the MiB, and ten times a second.
  const { digest } = await push('acme/a:1', ['a'], 2_500_000);
  registry.faults.totalBytesPerSecond = 2_500_000;
  setPasswords('changed-for-now-55c');
  const images = { a: 'acme/a:1', missing: 'acme/none:1' };
  desire(images);
  startModule();
  await expect.poll(events, WAIT).toEqual(['RegistryLoginFailed plant Unauthorized']);
  setPasswords(passwords.one);
  await waitForPhases({ a: 'Pulled', missing: 'Failed NotFound' });
  await expect.poll(() => events().length, WAIT).toBe(4);
  expect(events().slice(1).toSorted()).toEqual([
    'ImagePullFailed missing NotFound',
    'ImagePulled a',
    'RegistryLoginRestored plant',
  ]);
  const pulled = edge.telemetry
    .map(({ body }) => toObject(body))
    .find(({ event }) => event === 'ImagePulled');
  expect(pulled).toMatchObject({ image: `${plant.address}/acme/a:1`, digest, desiredVersion: 2 });
  expect(pulled?.['bytes']).toBeGreaterThan(2_000_000);

  // Nothing is told of the retries, nor after a restart.
  await scene.module?.stop();
  startModule();
  await waitForPhases({ a: 'Pulled', missing: 'Failed NotFound' });
  await edge.stopHub();
  await push('acme/none:1', ['none']);
  await expect.poll(async () => (await engine.images()).length, WAIT).toBe(2);
  expect(events()).toHaveLength(4);
  await edge.startHub();
  await waitForReady();
  await expect.poll(() => events().slice(4), WAIT).toEqual(['ImagePulled missing', 'Ready']);

  await engine.remove(`${registry.address}/acme/a:1`);
  await expect.poll(() => events().slice(6), WAIT).toEqual(['ImageEvicted a', 'ImagePulled a', 'Ready']);
});
