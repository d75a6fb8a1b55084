import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NO_FAULTS, startEdge } from '#lab/edge';
import type { Edge } from '#lab/edge';
import { startModule } from '#lab/module';
import type { ModuleProcess } from '#lab/module';
import { WAIT } from '#test/e2e/sdk-client';

/** The shipped program before an edgeHub, without an engine, once it has taken a first version. */
async function start(): Promise<{ edge: Edge; program: ModuleProcess }> {
  const dir = await mkdtemp(join(tmpdir(), 'hub-'));
  const edge = await startEdge({ dir });
  const environment = {
    ...edge.environment,
    DOCKER_HOST: `unix://${join(dir, 'absent.sock')}`,
    HTTP_PORT: '0',
    RELAY_PORT: '0',
  };
  const program = startModule({ programPath: 'dist/main.js', environment });
  onTestFinished(async () => {
    Object.assign(edge.faults, NO_FAULTS);
    await program.stop();
    await edge.stop();
    await rm(dir, { recursive: true });
  });
  await expectToTakeChanges(edge);
  for (const topic of ['twin/res', 'twin/PATCH/properties/desired', 'methods/POST']) {
    await expect.poll(() => edge.subscriptions.has(`$iothub/${topic}/#`), WAIT).toBe(true);
  }
  return { edge, program };
}

async function expectToTakeChanges(edge: Edge): Promise<void> {
  edge.setDesired({ images: {} });
  const version = edge.desired()['$version'];
  const reported = await edge.waitForReported(
    ({ lastDesiredVersion }) => lastDesiredVersion === version,
    30_000,
  );
  expect(reported['lastDesiredStatus']).toMatchObject({ code: 200 });
}

test.each([
  ['a patch that is no JSON', '$iothub/twin/PATCH/properties/desired/?$version=9', '{"images":'],
  ['an empty patch', '$iothub/twin/PATCH/properties/desired/?$version=9', ''],
  ['a method without a name', '$iothub/methods/POST/?$rid=1', '{}'],
  ['an answer to nothing', '$iothub/twin/res/200/?$rid=none', '{'],
  ['a topic that is none', '$iothub/methods/POST/', ''],
])('the program outlives %s, and takes the next change', async (_, topic, body) => {
  const { edge, program } = await start();
  edge.publish(topic, body);
  await expectToTakeChanges(edge);
  expect(program.ending).toBeUndefined();
});

test('the program outlives a twin that is no JSON, and takes the next change', async () => {
  const { edge, program } = await start();
  const before = edge.twinGets;
  edge.faults.twinGetBody = '<html>';
  edge.patchDesired({ settings: {} });
  // The program asked, and asked again after it got that.
  await expect.poll(() => edge.twinGets - before, WAIT).toBeGreaterThanOrEqual(2);
  edge.faults.twinGetBody = undefined;
  await expectToTakeChanges(edge);
  expect(program.ending).toBeUndefined();
});
