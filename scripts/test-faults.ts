/**
 * `npm run test:faults`: breaks everything around the shipped program, one fault after another, and looks whether it
 * lives, tells the truth and heals. `-- --long` takes its time; `-- --record` writes what was seen into
 * docs/reliability.md. Anything else goes to vitest. Needs root.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { ensurePrerequisites } from '#lab/prerequisites';
import { formatFaults, putTable } from './fault-table.ts';
import { runFaults } from './run-faults.ts';
import { closeTests } from './run-vitest.ts';

const PAGE = 'docs/reliability.md';

const words = process.argv.slice(2);
const args = words.filter((word) => word !== '--long' && word !== '--record');

await ensurePrerequisites();
await import('./build.ts');
const { counts, results } = await runFaults({ form: words.includes('--long') ? 'long' : 'short', args });
const table = formatFaults(results);
process.stdout.write(`\n${table}\n`);
if (words.includes('--record')) {
  await writeFile(PAGE, putTable(await readFile(PAGE, 'utf8'), table));
}
closeTests([counts]);
