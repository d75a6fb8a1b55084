import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FAILURES } from '#core/reason';
import type { WaitingReason } from '#core/reason';

const WAITING: Record<WaitingReason, true> = {
  Queued: true,
  Paused: true,
  OutsideWindow: true,
  LowDisk: true,
};

describe('docs/twin-contract.md', () => {
  it('explains every reason that the code knows, and no other, in four columns', async () => {
    const text = await readFile('docs/twin-contract.md', 'utf8');
    const table = text.slice(text.indexOf('<!-- reasons'), text.indexOf('## Direct methods'));
    const rows = [...table.matchAll(/^\| `(\w+)` \|(.+)\|$/gm)];
    expect(rows.map(([, reason]) => reason)).toEqual([...Object.keys(WAITING), ...Object.keys(FAILURES)]);
    for (const [, reason, cells = ''] of rows) {
      const filled = cells.split(' | ').filter((cell) => cell.trim().length > 3 || cell.includes('—'));
      expect([reason, filled.length]).toEqual([reason, 3]);
    }
  });

  it('names every property of the published schema of the desired properties', async () => {
    const text = await readFile('docs/twin-contract.md', 'utf8');
    const schema = await readFile('schema/desired.schema.json', 'utf8');
    const names = new Set<string>();
    JSON.parse(schema, (key: string, value: unknown) => {
      if (key === 'properties' && typeof value === 'object' && value !== null) {
        for (const name of Object.keys(value)) names.add(name);
      }
      return value;
    });
    expect(names.size).toBeGreaterThan(25);
    expect([...names].filter((name) => !text.includes(name))).toEqual([]);
  });
});
