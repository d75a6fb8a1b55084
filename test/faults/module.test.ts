import { describe } from 'vitest';
import { moduleFaults } from './module-faults.ts';
import { testFaults } from './test-faults.ts';

describe('the module itself', () => {
  testFaults(moduleFaults);
});
