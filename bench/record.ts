import { readFile, writeFile } from 'node:fs/promises';
import type { Findings } from './part.ts';
import { formatTable } from './table.ts';

const PATH = 'docs/performance.md';
/** Parts of which another document speaks. */
const OTHER_PATHS: Readonly<Record<string, string>> = { footprint: 'docs/footprint.md' };

/** Puts what a part found into its document, between `<!-- bench: part -->` and `<!-- /bench -->`. */
export async function record(part: string, { tables, bounds }: Findings): Promise<void> {
  const path = OTHER_PATHS[part] ?? PATH;
  const text = await readFile(path, 'utf8');
  const begin = `<!-- bench: ${part} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf('<!-- /bench -->', from);
  if (from < 0 || to < 0) throw new Error(`${path} has no place for ${part}`);
  const lines = bounds.map(
    ({ what, value, atMost }) =>
      `- ${what}: **${value.toFixed(2)}**, wanted at most ${atMost}${value <= atMost ? '' : ': **not kept**'}`,
  );
  const found = [...tables.map(formatTable), lines.join('\n')].filter((piece) => piece !== '').join('\n\n');
  await writeFile(path, `${text.slice(0, from + begin.length)}\n\n${found}\n\n${text.slice(to)}`);
}
