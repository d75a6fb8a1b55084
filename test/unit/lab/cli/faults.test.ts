import { expect, it } from 'vitest';
import type { FaultPart } from '#lab/cli/faults';
import { listFaults, setFault } from '#lab/cli/faults';
import type { Registry } from '#lab/registry/registry';
import { NO_REGISTRY_FAULTS } from '#lab/registry/faults';

function createParts() {
  const calls: string[] = [];
  const registry = {
    faults: { ...NO_REGISTRY_FAULTS },
    stop: () => Promise.resolve(void calls.push('stop')),
    start: () => Promise.resolve(void calls.push('start')),
  };
  return { calls, registry: registry as unknown as Registry, away: new Set<FaultPart>() };
}

it('sets a switch to what fits it, and off again', async () => {
  const parts = createParts();
  const set = (name: string, value: string) => setFault(parts, { part: 'registry', name, value });
  await set('totalBytesPerSecond', '250000');
  await set('hang', 'on');
  await set('corruptBlob', 'any');
  expect(parts.registry.faults).toMatchObject({
    totalBytesPerSecond: 250_000,
    hang: true,
    corruptBlob: 'any',
  });
  for (const name of ['totalBytesPerSecond', 'hang', 'corruptBlob']) await set(name, 'off');
  expect(parts.registry.faults).toEqual(NO_REGISTRY_FAULTS);
});

it.each([
  ['hang', '3', 'on or off'],
  ['totalBytesPerSecond', 'fast', 'off, or a number'],
  ['latencyMs', 'on', 'off, or a number'],
  ['nope', 'on', 'has no fault nope'],
])('refuses %s %s', async (name, value, why) => {
  const parts = createParts();
  await expect(setFault(parts, { part: 'registry', name, value })).rejects.toThrow(why);
  expect(parts.registry.faults).toEqual(NO_REGISTRY_FAULTS);
});

it('sends the registry away once and brings it back once', async () => {
  const parts = createParts();
  for (const value of ['on', 'on', 'off', 'off']) {
    await setFault(parts, { part: 'registry', name: 'away', value });
  }
  expect(parts.calls).toEqual(['stop', 'start']);
});

it('lists the switches of the parts that run, and no others', async () => {
  const parts = createParts();
  await setFault(parts, { part: 'registry', name: 'away', value: 'on' });
  const rows = listFaults(parts);
  expect(new Set(rows.map(({ part }) => part))).toEqual(new Set(['registry']));
  expect(rows).toContainEqual({ part: 'registry', name: 'away', value: true });
  expect(rows).toContainEqual({ part: 'registry', name: 'bytesPerSecond', value: null });
  await expect(setFault(parts, { part: 'edge', name: 'away', value: 'on' })).rejects.toThrow('has no edge');
});
