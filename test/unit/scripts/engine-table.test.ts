import { describe, expect, test } from 'vitest';
import { formatTable, parseChoice, toCounts } from '../../../scripts/engine-table.ts';

const toReport = (...files: (readonly [name: string, ...statuses: string[]])[]): string =>
  JSON.stringify({
    testResults: files.map(([name, ...statuses]) => ({
      name: `/repo/test/${name}`,
      assertionResults: statuses.map((status, index) => ({ status, fullName: `test ${index + 1}` })),
    })),
  });

describe('the counts of a report', () => {
  test('name each test that failed by its file', () => {
    const report = toReport(['a.test.ts', 'passed', 'failed'], ['b.test.ts', 'passed', 'skipped']);
    expect(toCounts(report, 1, '/repo')).toEqual({ passed: 2, failed: ['test/a.test.ts: test 2'] });
  });

  test('hold a file whose engine did not come up to have failed', () => {
    const report = toReport(['a.test.ts', 'passed'], ['b.test.ts', 'skipped', 'skipped'], ['c.test.ts']);
    expect(toCounts(report, 1, '/repo')).toEqual({
      passed: 1,
      failed: ['test/b.test.ts: no test ran', 'test/c.test.ts: no test ran'],
    });
  });

  test.each([
    ['no report was written', undefined, 1, 'no test ran'],
    ['no report was written by a run that ended well', undefined, 0, 'no test ran'],
    ['no test was found', toReport(), 0, 'no test ran'],
    ['an error was in no test', toReport(['a.test.ts', 'passed']), 1, 'vitest ended with 1'],
    ['the run was killed', toReport(['a.test.ts', 'passed']), null, 'vitest ended with a signal'],
  ])('are never good when %s', (_, report, exitCode, failure) => {
    expect(toCounts(report, exitCode, '/repo').failed).toEqual([failure]);
  });
});

test('the table has a row for each engine, and names what failed below', () => {
  const toResult = (name: string, failed: readonly string[]) => ({
    name,
    package: 'docker.io 26.1.5',
    passed: 9,
    failed,
    durationMs: 90_000,
  });
  expect(formatTable([toResult('one', []), toResult('other', ['a.test.ts: works'])])).toBe(`\
| engine | package | passed | failed | minutes |
| --- | --- | ---: | ---: | ---: |
| one | docker.io 26.1.5 | 9 | 0 | 1.5 |
| other | docker.io 26.1.5 | 9 | 1 | 1.5 |

Failed:
other: a.test.ts: works
`);
});

describe('the choice of engines', () => {
  const all = [{ name: 'one' }, { name: 'other' }, { name: 'third' }];

  test('is all of them, or those that are named, in their own order', () => {
    expect(parseChoice([], all)).toEqual(all);
    expect(parseChoice(['third', 'one'], all)).toEqual([{ name: 'one' }, { name: 'third' }]);
  });

  test('refuses a name that is none of theirs, and tells those', () => {
    expect(() => parseChoice(['one', 'docker-99'], all)).toThrow(
      'no such engine: docker-99; there are one, other, third',
    );
  });
});
