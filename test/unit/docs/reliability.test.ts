import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { edgeFaults } from '#test/faults/edge-faults';
import { engineFaults } from '#test/faults/engine-faults';
import { moduleFaults } from '#test/faults/module-faults';
import { registryGroup } from '#test/faults/registry-group';
import { formatFaults, listFaults, mergeOutcomes, putTable } from '../../../scripts/fault-table.ts';

const PAGE = 'docs/reliability.md';
const faults = [...edgeFaults, ...registryGroup, ...engineFaults, ...moduleFaults];

it('no two faults have the same name', () => {
  const names = faults.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

it('docs/reliability.md has a row for each fault and for no other', async () => {
  const listed = listFaults(await readFile(PAGE, 'utf8'));
  expect(listed.toSorted()).toEqual(faults.map(({ name }) => name).toSorted());
});

it('what was seen takes the place of what was seen before', () => {
  const page = `# Before\n\n${'<!-- faults: written by npm run test:faults -- --record -->'}\nold\n<!-- /faults -->\n\nafter\n`;
  const failed = { group: 'engine', name: 'the socket | is away', outcome: 'failed' } as const;
  const written = putTable(page, formatFaults([failed]));
  expect(written).not.toContain('old');
  expect(written).toContain('after');
  expect(listFaults(written)).toEqual([failed.name]);
  expect(() => putTable('# A page without a table', '')).toThrow('no place');
});

it('what was seen of a fault takes the place of what was seen of it before, and of no other', () => {
  const toOutcome = (name: string) => ({ group: 'engine', name, outcome: 'failed' }) as const;
  const merged = mergeOutcomes([toOutcome('a'), toOutcome('b')], [toOutcome('b'), toOutcome('c')]);
  expect(merged.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});
