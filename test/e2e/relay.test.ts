import { expect, test } from 'vitest';
import { findFreePort } from '#lab/free-port';
import { listReferences, startScene } from './scene.ts';

async function startRelayScene(environment: Record<string, string> = {}) {
  const port = await findFreePort();
  const scene = await startScene({
    environment: (dir) => ({ RELAY_PORT: String(port), storageFolder: dir, ...environment }),
  });
  return { ...scene, port };
}

test('pulls an image through the relay and leaves it under its real name alone', async () => {
  const scene = await startRelayScene();
  const { push, desire, waitForReady, startModule, image, registry, engine } = scene;
  const { digest } = await push('acme/app:1', ['one', 'two']);
  desire({ app: 'acme/app:1', hello: 'hello-world' }, { transport: 'relay' });
  startModule();
  await waitForReady();
  expect(image('app')).toMatchObject({ phase: 'Pulled', digest, transport: 'relay' });
  expect(await listReferences(engine)).toEqual([
    `${registry.address}/acme/app:1`,
    `${registry.address}/hello-world:latest`,
  ]);
  console.log(await scene.call('GetStatus'));
  console.log(await engine.images());
  console.log(registry.requests.map((r) => `${r.method} ${r.path} ${r.status} ${r.bytes}`).join('\n'));
});
