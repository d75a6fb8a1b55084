import { describe } from 'vitest';
import { registryGroup } from './registry-group.ts';
import { testFaults, testFaultsTogether } from './test-faults.ts';

describe('registry', () => {
  testFaults(registryGroup.filter(({ isSlow }) => isSlow !== true));
});

describe('registry, and the engine waits', () => {
  testFaultsTogether(registryGroup.filter(({ isSlow }) => isSlow === true));
});
