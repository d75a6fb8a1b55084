import { writeFile } from 'node:fs/promises';
import type { Reporter, TestModule } from 'vitest/node';

/** How the tests of a run ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Writes how many tests passed, failed and were skipped to the file that `TEST_COUNTS` names, as JSON. */
export default class TestCountsReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): Promise<void> {
    const path = process.env['TEST_COUNTS'];
    if (path === undefined) throw new Error('TEST_COUNTS names no file');
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      const failedBefore = counts.failed;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
      // A file that cannot be loaded has no test that could fail.
      if (module.state() === 'failed' && counts.failed === failedBefore) counts.failed += 1;
    }
    const { passed, failed, skipped, pending } = counts;
    await writeFile(
      path,
      JSON.stringify({ passed, failed, skipped: skipped + pending } satisfies TestCounts),
    );
  }
}
