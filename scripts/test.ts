/**
 * `npm test`: builds the module and runs every test against real parts. What follows `--` goes to vitest, for instance
 * `npm test -- --project unit`.
 */
import { ensurePrerequisites } from '#lab/prerequisites';
import { runFaults } from './run-faults.ts';
import { closeTests, runVitest } from './run-vitest.ts';

const ON_THIS_MACHINE = ['unit', 'e2e', 'container'].flatMap((project) => ['--project', project]);

const chosen = process.argv.slice(2);

await ensurePrerequisites();
await import('./build.ts');
if (chosen.includes('--project')) {
  closeTests([await runVitest({ args: chosen })]);
} else {
  const others = await runVitest({ args: [...ON_THIS_MACHINE, ...chosen] });
  const faults = chosen.length === 0 ? [(await runFaults({ form: 'short', args: [] })).counts] : [];
  closeTests([others, ...faults]);
}
