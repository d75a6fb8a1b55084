import { readFile, writeFile } from 'node:fs/promises';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** How the tests of a run ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of each that failed: where it stands, its name, and the first lines of what it says. */
  readonly failures: readonly string[];
}

const MAX_MESSAGE_CHARS = 2000;

/** Reads what a run left; one that left nothing counts as a failed test. */
export async function readCounts(path: string): Promise<TestCounts> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as TestCounts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0, failures: ['a run ended without saying how its tests did'] };
  }
}

/** Writes how the tests ended to the file that `TEST_COUNTS` names, as JSON: a {@link TestCounts}. */
export default class TestCountsReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): Promise<void> {
    const path = process.env['TEST_COUNTS'];
    if (path === undefined) throw new Error('TEST_COUNTS names no file');
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    const failures = errors.map((error) => toText('outside of any test', [error]));
    const fail = (name: string, own: readonly SerializedError[] | undefined): void => {
      counts.failed += 1;
      failures.push(toText(name, own));
    };
    for (const module of modules) {
      const failedBefore = counts.failed;
      const at = module.relativeModuleId;
      for (const test of module.children.allTests()) {
        const { state, errors: own } = test.result();
        if (state === 'failed') fail(`${at} > ${test.fullName}`, own);
        else counts[state] += 1;
      }
      // Of a suite whose hook fails no test is run that could fail; nor of a file that cannot be loaded.
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) fail(`${at} > ${suite.fullName}`, suite.errors());
      if (module.state() === 'failed' && counts.failed === failedBefore) fail(at, module.errors());
    }
    const { passed, failed, skipped, pending } = counts;
    await writeFile(
      path,
      JSON.stringify({ passed, failed, skipped: skipped + pending, failures } satisfies TestCounts),
    );
  }
}

/** A name, and under it the messages with where they came from in our own files. */
function toText(name: string, errors: readonly SerializedError[] = []): string {
  const lines = errors.flatMap(({ message, stack = '' }) => [
    ...message.slice(0, MAX_MESSAGE_CHARS).split('\n'),
    ...stack
      .split('\n')
      .filter((line) => /^ +at /u.test(line) && !/node_modules|node:|new Promise/u.test(line)),
  ]);
  return [name, ...lines.map((line) => line.trim())].join('\n    ');
}
