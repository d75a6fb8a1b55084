import { writeFile } from 'node:fs/promises';
import type { Reporter, TestModule } from 'vitest/node';
import type { FaultResult } from '../test/faults/fault.ts';
import type {} from '../test/faults/test-faults.ts';

/** Writes what became of each fault to the file that `FAULTS_RESULTS` names, as JSON. */
export default class FaultResults implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const path = process.env['FAULTS_RESULTS'];
    if (path === undefined) return;
    const results: (FaultResult | { name: string; outcome: 'failed' })[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { fault } = test.meta();
        if (fault !== undefined) results.push(fault.result ?? { ...fault, outcome: 'failed' });
      }
    }
    await writeFile(path, JSON.stringify(results, undefined, 2));
  }
}
