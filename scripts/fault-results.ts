import { writeFile } from 'node:fs/promises';
import type { Reporter, TestModule } from 'vitest/node';
import type { FaultOutcome } from '../test/faults/fault.ts';
import type {} from '../test/faults/test-faults.ts';

/** Writes what became of each fault to the file that `FAULTS_RESULTS` names, as JSON. */
export default class FaultResults implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const path = process.env['FAULTS_RESULTS'];
    if (path === undefined) return;
    const outcomes = modules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test): FaultOutcome[] => {
        const { fault } = test.meta();
        return fault === undefined ? [] : [fault.result ?? { ...fault, outcome: 'failed' }];
      }),
    );
    await writeFile(path, JSON.stringify(outcomes, undefined, 2));
  }
}
