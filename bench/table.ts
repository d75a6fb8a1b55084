import type { Spread } from './statistics.ts';

/** Figures as they are printed and stand in docs/performance.md. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A table in Markdown, in columns of even width: the same is read on a terminal. */
export function formatTable({ title, columns, rows }: Table): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? '').length)));
  const toLine = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [`**${title}**`, '', toLine(columns), toLine(rule), ...rows.map(toLine)].join('\n');
}

const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);

/** `1.23 (1.20–1.31)`. */
export function formatSpread({ median, least, most }: Spread, digits = 2): string {
  if (Number.isNaN(median)) return '–';
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}
