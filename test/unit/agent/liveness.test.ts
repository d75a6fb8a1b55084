import { expect, it } from 'vitest';
import { createFakeEngine } from '#test/fakes/fake-engine';
import { startStage } from './stage.ts';

const HOUR_MS = 3_600_000;

it('an agent is alive for hours with nothing to do, and while hub and engine are away', async () => {
  const { agent, clock, hub, engine } = startStage();
  await clock.advance(HOUR_MS);
  expect(agent.isAlive()).toBe(true);
  hub.disconnect();
  engine.isAway = true;
  await clock.advance(HOUR_MS);
  expect(agent.isAlive()).toBe(true);
});

it('an agent whose loop waits for something that never comes is not alive, and is again when it came', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const engine = Object.assign(createFakeEngine(), { fetchFreeBytes: () => promise });
  const { agent, clock } = startStage({ engine });
  await clock.advance(60_000);
  expect(agent.isAlive()).toBe(true);
  await clock.advance(120_000);
  expect(agent.isAlive()).toBe(false);
  resolve(undefined);
  await clock.settle();
  expect(agent.isAlive()).toBe(true);
});
