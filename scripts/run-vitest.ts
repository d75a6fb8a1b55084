import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCounts } from './test-counts.ts';
import type { TestCounts } from './test-counts.ts';

/** What {@link runVitest} takes. */
export interface VitestOptions {
  /** After `vitest run`. */
  readonly args: readonly string[];
  /** Words before the command, such as those of a namespace. */
  readonly launcher?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gets what would else be printed. */
  readonly outputPath?: string;
}

/** Runs tests. One that ends without saying how many there were counts as a failed test. */
export async function runVitest(options: VitestOptions): Promise<TestCounts> {
  const { args, launcher = [], env = {}, outputPath } = options;
  const dir = await mkdtemp(join(tmpdir(), 'test-counts-'));
  const path = join(dir, 'counts.json');
  const words = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default'];
  const [command = process.execPath, ...rest] = [...launcher, process.execPath, ...words];
  const output = outputPath === undefined ? undefined : await open(outputPath, 'w');
  const stream = output?.fd ?? 'inherit';
  try {
    const child = spawn(command, [...rest, '--reporter=./scripts/test-counts.ts', ...args], {
      stdio: ['inherit', stream, stream],
      env: { ...process.env, ...env, TEST_COUNTS: path },
    });
    const [status] = (await once(child, 'exit')) as [number | null];
    const counts = await readCounts(path);
    // Vitest may also fail for what is no test's doing.
    const isUnexplained = status !== 0 && counts.failed === 0;
    return isUnexplained ? { ...counts, failed: 1, failures: [`vitest ended with ${status}`] } : counts;
  } finally {
    await output?.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Ends a run: names what failed once more, since whoever reads the end of a long log looks for just that, and last the one
 * line that says it all: `N passed, N failed`, and how many were skipped if any were.
 */
export function closeTests(counts: readonly TestCounts[]): void {
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    counts.reduce((total, count) => total + count[key], 0);
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
  process.exitCode = sum('failed') > 0 ? 1 : 0;
  for (const failure of counts.flatMap(({ failures }) => failures))
    process.stdout.write(`\nfailed: ${failure}\n`);
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed${skipped}\n`);
}
