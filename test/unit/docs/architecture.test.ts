import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const text = readFileSync('ARCHITECTURE.md', 'utf8').replaceAll(/```[^]+?```/g, '');

const listNames = (cell: string): string[] =>
  Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = '']) => name);

/** The rows of the table of rules, as `[number, where, tests]`. */
const rules = Array.from(
  text.matchAll(/^\| (\d+) \|[^|]+\|([^|]+)\|([^|]+)\|$/gm),
  ([, number = '', where = '', tests = '']) => [number, listNames(where), listNames(tests)] as const,
);

const exists = (...patterns: readonly string[]): boolean =>
  patterns.some((pattern) => globSync(pattern).length > 0);

it('has a row, a place and a test for each of the sixteen rules', () => {
  expect(rules.map(([number]) => Number(number))).toEqual(
    Array.from({ length: 16 }, (_, index) => index + 1),
  );
  expect(rules.filter(([, where, tests]) => where.length === 0 || tests.length === 0)).toEqual([]);
});

it.each(rules)('names files that are there in rule %s', (_, where, tests) => {
  expect(where.filter((name) => !exists(name, `src/${name}`, `src/${name}.ts`))).toEqual([]);
  expect(tests.filter((name) => !exists(`test/${name}`, `test/${name}.test.ts`))).toEqual([]);
});

it('names no other file or folder that is not there', () => {
  const paths = listNames(text).filter((name) => /^\.?[a-z][\w.-]*\/[\w./*-]*$/.test(name));
  expect(paths.length).toBeGreaterThan(40);
  const isThere = (name: string): boolean =>
    ['', 'src/', 'test/'].some((room) =>
      exists(`${room}${name}`, `${room}${name}.ts`, `${room}${name}.test.ts`),
    );
  expect(paths.filter((name) => !isThere(name))).toEqual([]);
});

it('names every room', () => {
  const rooms = globSync(['src/*', 'lab', 'test', 'bench', 'scripts', 'tools', 'examples', 'docs', 'schema']);
  expect(rooms.length).toBeGreaterThan(12);
  expect(rooms.filter((room) => ![room, `${room}/`].some((name) => listNames(text).includes(name)))).toEqual(
    [],
  );
});

// The linter knows no rule for this one; the rest of core's purity is in .oxlintrc.json.
it('holds: core and pages read no clock', () => {
  const files = globSync(['src/core/**/*.ts', 'src/web/**/*.ts']);
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => /new Date\(\s*\)/.test(readFileSync(file, 'utf8')))).toEqual([]);
});
