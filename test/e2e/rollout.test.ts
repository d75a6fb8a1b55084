import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';

it('pulls six images with shared layers, and fetches each shared layer once', async () => {
  const { push, desire, waitForReady, startModule, requests, engine } = await startScene();
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) await push(`acme/${name}:1`, ['base', 'runtime', name], 300_000);
  desire(Object.fromEntries(names.map((name) => [name, `acme/${name}:1`])));
  startModule();
  const reported = await waitForReady();
  expect(toObject(reported['summary'])).toMatchObject({ desired: 6, pulled: 6, failed: 0 });
  expect(await engine.images()).toHaveLength(6);
  // Two that all share, and one of each.
  expect(requests('layers')).toHaveLength(2 + 6);
});
