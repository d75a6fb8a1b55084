import { join } from 'node:path';
import { createEngineClient } from '#lab/engine/engine-client';
import { startStandInEngine } from '#lab/stand-in/stand-in-engine';
import { describeEngine } from '#test/conformance/engine';
import { startHarness } from '#test/conformance/real-harness';

describeEngine('the stand-in for a fleet of engines', () =>
  startHarness(async ({ dir }) => {
    const { dockerHost, stop } = await startStandInEngine(join(dir, 'stand-in.sock'));
    return { ...createEngineClient(dockerHost), stop };
  }),
);
