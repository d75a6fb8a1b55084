import { afterAll, beforeAll, expect, test } from 'vitest';
import { emulateArm64 } from '#lab/container/emulation';
import { startContainerScene } from './scene.ts';
import { toObject } from '../e2e/scene.ts';

let endEmulation: () => Promise<void>;
beforeAll(async () => {
  endEmulation = await emulateArm64();
});
afterAll(() => endEmulation());

test('the arm64 container starts, connects, pulls an image, reports it and ends when it is stopped', async () => {
  const { desire, waitForReady, startContainer, engine } = await startContainerScene('arm64');
  desire({ hello: 'hello-world' });
  // The limits are the module's; an emulator in the same container needs memory and time of its own.
  const container = await startContainer({ hostConfig: { Memory: 0, NanoCpus: 0 } });
  const reported = await waitForReady(90_000);
  expect(toObject(toObject(reported['images'])['hello'])).toMatchObject({ phase: 'Pulled' });
  expect(
    await engine.inspect(String(toObject(toObject(reported['images'])['hello'])['image'])),
  ).toBeDefined();
  expect(await container.stop()).toMatchObject({ running: false, exitCode: 0 });
});
