import type { EngineImage } from '../engine/engine-client.ts';

/** `31.4 MB`, `12 kB`, in the engine's decimal units. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** JSON whose objects and arrays stay on one line where they fit into `width` characters; a comma may follow. */
export function formatJson(value: unknown, width = 75): string {
  return formatIndented(value, width, '', '');
}

/** @param label what stands before it on its first line */
function formatIndented(value: unknown, width: number, indent: string, label: string): string {
  const short = `${label}${formatShort(value)}`;
  if (typeof value !== 'object' || value === null || indent.length + short.length <= width) return short;
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const lines = Object.entries(value).map(([name, item]) => {
    const key = isList ? '' : `${JSON.stringify(name)}: `;
    return `${inner}${formatIndented(item, width, inner, key)}`;
  });
  const [open, close] = isList ? '[]' : '{}';
  return `${label}${open}\n${lines.join(',\n')}\n${indent}${close}`;
}

/** As `docker images` prints it. */
export function formatImageTable(images: readonly EngineImage[]): string[] {
  const rows = images
    .flatMap(({ id, references, sizeBytes }) =>
      references.map((reference) => {
        const colon = reference.lastIndexOf(':');
        return [
          reference.slice(0, colon),
          reference.slice(colon + 1),
          id.replace('sha256:', '').slice(0, 12),
          formatBytes(sizeBytes),
        ];
      }),
    )
    .toSorted(([a = ''], [b = '']) => a.localeCompare(b));
  return formatColumns([['REPOSITORY', 'TAG', 'IMAGE ID', 'SIZE'], ...rows]);
}

/** Rows of cells in columns that are as wide as their widest cell. */
export function formatColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

function formatShort(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${value.map(formatShort).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${formatShort(item)}`);
  return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
}
