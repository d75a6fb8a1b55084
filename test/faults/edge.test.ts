import { describe } from 'vitest';
import { edgeFaults } from './edge-faults.ts';
import { quickTime } from './quick-time.ts';
import { testFaults, testFaultsTogether } from './test-faults.ts';

describe('edgeHub and workload API', () => {
  testFaults(
    edgeFaults.filter(({ isSlow }) => isSlow !== true),
    quickTime(10),
  );
});

describe('edgeHub and workload API, and the token lives on', () => {
  testFaultsTogether(edgeFaults.filter(({ isSlow }) => isSlow === true));
});
