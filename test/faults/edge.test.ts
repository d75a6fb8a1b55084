import { describe } from 'vitest';
import { edgeFaults } from './edge-faults.ts';
import { quickTime } from './quick-time.ts';
import { testFaults } from './test-faults.ts';

describe('edgeHub and workload API', () => {
  testFaults(edgeFaults, quickTime(10));
});
