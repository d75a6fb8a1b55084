/**
 * `npm run test:faults`: breaks everything around the shipped program, one fault after another, and looks whether it
 * lives, tells the truth and heals. `-- --long` takes its time; `-- --record` keeps what was seen of the faults that were
 * played in docs/reliability.json, and writes docs/reliability.md anew from it. Anything else goes to vitest. Needs root.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { FaultOutcome } from '../test/faults/fault.ts';
import { formatFaults, mergeOutcomes, putTable } from './fault-table.ts';
import { runFaults } from './run-faults.ts';
import { closeTests } from './run-vitest.ts';

const PAGE = 'docs/reliability.md';
const RECORD = 'docs/reliability.json';

const words = process.argv.slice(2);
const args = words.filter((word) => word !== '--long' && word !== '--record');

await ensurePrerequisites();
await import('./build.ts');
const { counts, results } = await runFaults({ form: words.includes('--long') ? 'long' : 'short', args });
process.stdout.write(`\n${formatFaults(results)}\n`);
if (words.includes('--record')) {
  const before = JSON.parse(await readFile(RECORD, 'utf8')) as readonly FaultOutcome[];
  const record = mergeOutcomes(before, results);
  await writeFile(RECORD, `${JSON.stringify(record, undefined, 2)}\n`);
  await writeFile(PAGE, putTable(await readFile(PAGE, 'utf8'), formatFaults(record)));
}
closeTests([counts]);
