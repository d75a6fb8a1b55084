/**
 * `npm test`: builds the module, runs every test against real parts, and then the quick form of the benchmarks. What
 * follows `--` goes to vitest, for instance `npm test -- --project unit`, and nothing is measured then.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePrerequisites } from '#lab/prerequisites';
import { runBench } from './run-bench.ts';
import { ensureFaultPrerequisites, runFaults } from './run-faults.ts';
import { closeTests, runVitest } from './run-vitest.ts';
import type { TestCounts } from './test-counts.ts';

const ON_THIS_MACHINE = ['unit', 'e2e', 'container'].flatMap((project) => ['--project', project]);

const chosen = process.argv.slice(2);

await ensurePrerequisites();
await import('./build.ts');
closeTests(chosen.length > 0 ? [await runVitest({ args: withProjects(chosen) })] : await runAll());

/** The fault suite has a command of its own. */
function withProjects(args: readonly string[]): readonly string[] {
  return args.includes('--project') ? args : [...ON_THIS_MACHINE, ...args];
}

/** Faults are played beside the other tests, for they mostly wait; what is measured comes after all of them. */
async function runAll(): Promise<TestCounts[]> {
  await ensureFaultPrerequisites();
  const dir = await mkdtemp(join(tmpdir(), 'tests-'));
  const outputPath = join(dir, 'faults.log');
  try {
    const [others, faults] = await Promise.all([
      runVitest({ args: ON_THIS_MACHINE }),
      runFaults({ form: 'short', args: [], outputPath }),
    ]);
    process.stdout.write(`\nThe fault suite, beside the tests above:\n${await readFile(outputPath, 'utf8')}`);
    process.stdout.write('\nThe benchmarks, their quick form:\n');
    return [others, faults.counts, await runBench()];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
