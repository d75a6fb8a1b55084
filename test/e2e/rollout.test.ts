import { expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
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

it('tells IoT Hub the one version of package.json, in the report and when it connects', async () => {
  const said: string[] = [];
  const { desire, waitForReady, startModule } = await startScene({ log: (line) => said.push(line) });
  desire({ hello: 'hello-world' });
  startModule();
  const { agent } = await waitForReady();
  expect(toObject(agent)['version']).toBe(packageJson.version);
  const arrival = said.find((line) => line.includes('lets in '));
  expect(arrival).toMatch(/ azure-iot-device\/1\.\d+\.\d+ /);
  expect(arrival?.endsWith(`connected-registry-puller/${packageJson.version}`)).toBe(true);
});
