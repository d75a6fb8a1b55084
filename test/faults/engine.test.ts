import { describe } from 'vitest';
import { engineFaults } from './engine-faults.ts';
import { testFaults, testFaultsTogether } from './test-faults.ts';

describe('engine', () => {
  testFaults(engineFaults.filter(({ isSlow }) => isSlow !== true));
});

describe('engine, and the module waits', () => {
  testFaultsTogether(engineFaults.filter(({ isSlow }) => isSlow === true));
});
