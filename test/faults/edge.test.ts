import { describe } from 'vitest';
import { edgeFaults } from './edge-faults.ts';
import { testFaults } from './test-faults.ts';

describe('edgeHub and workload API', () => {
  testFaults(edgeFaults);
});
