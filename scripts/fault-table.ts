import type { FaultGroup, FaultOutcome, FaultResult } from '../test/faults/fault.ts';

const BEGIN = '<!-- faults: written by npm run test:faults -- --record -->';
const END = '<!-- /faults -->';

/** One table for each group, and the sums below them, as Markdown. */
export function formatFaults(outcomes: readonly FaultOutcome[]): string {
  const groups = GROUPS.filter((group) => outcomes.some((outcome) => outcome.group === group));
  const tables = groups.map((group) => {
    const rows = outcomes.filter((outcome) => outcome.group === group).map(formatRow);
    return [`### ${toHeading(group)}`, '', HEADER, ...rows, ''].join('\n');
  });
  return [...tables, formatSums(outcomes)].join('\n');
}

const GROUPS: readonly FaultGroup[] = ['edgeHub and workload API', 'registry', 'engine', 'the module itself'];

const HEADER = [
  '| fault | what was seen while it lasted | lasted | ready again after | wanted / in engine | memory |',
  '| --- | --- | ---: | ---: | ---: | ---: |',
].join('\n');

const toHeading = (group: string): string =>
  group.startsWith('edgeHub') ? group : group.charAt(0).toUpperCase() + group.slice(1);

function formatRow(outcome: FaultOutcome): string {
  if (!isResult(outcome)) return `| ${escape(outcome.name)} | **failed** |  |  |  |  |`;
  const { name, seen, lastedSeconds, healedSeconds, wanted, inEngine, memoryMoreMB } = outcome;
  const cells = [
    escape(name),
    escape(seen),
    `${lastedSeconds} s`,
    `${healedSeconds} s`,
    `${wanted} / ${inEngine}`,
    `${memoryMoreMB > 0 ? '+' : ''}${memoryMoreMB} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const escape = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function formatSums(outcomes: readonly FaultOutcome[]): string {
  const results = outcomes.filter(isResult);
  const sum = (toCount: (result: FaultResult) => number): number =>
    results.reduce((total, result) => total + toCount(result), 0);
  const count = (form: FaultResult['form']): number =>
    results.filter((result) => result.form === form).length;
  const rows: readonly (readonly [string, number])[] = [
    ['faults played', outcomes.length],
    ['of them in the long form', count('long')],
    ['of them failed', outcomes.length - results.length],
    [
      'starts of the module after SIGKILL or SIGTERM that the faults themselves made',
      sum(({ restarts }) => restarts),
    ],
    ['images wanted at the end of the faults', sum(({ wanted }) => wanted)],
    ['of them in the engine', sum(({ inEngine }) => inEngine)],
    ['looks that compared the report with the engine', sum(({ looks }) => looks)],
    ['reports that edgeHub’s own rules refuse', sum(({ reportsRefused }) => reportsRefused)],
    ['places where a password or a token stood', sum(({ secretsFound }) => secretsFound)],
  ];
  const lines = rows.map(([what, count]) => `| ${what} | ${count} |`);
  return ['### In all', '', '| what | count |', '| --- | ---: |', ...lines, ''].join('\n');
}

const isResult = (outcome: FaultOutcome): outcome is FaultResult => 'seen' in outcome;

/** What was seen before, with what was seen now in its place and behind it. */
export function mergeOutcomes(
  before: readonly FaultOutcome[],
  now: readonly FaultOutcome[],
): readonly FaultOutcome[] {
  const byName = new Map([...before, ...now].map((outcome) => [outcome.name, outcome]));
  return [...byName.values()];
}

/** @throws when the page has no place for the table */
export function putTable(page: string, table: string): string {
  const before = page.indexOf(BEGIN);
  const after = page.indexOf(END);
  if (before < 0 || after < before) throw new Error(`the page has no place for it: ${BEGIN} … ${END}`);
  return `${page.slice(0, before + BEGIN.length)}\n\n${table}\n${page.slice(after)}`;
}

/** The names of the faults that a page lists, in order. */
export function listFaults(page: string): string[] {
  const table = page.slice(page.indexOf(BEGIN), page.indexOf('### In all'));
  return [...table.matchAll(/^\| (.+?) \| .* \| .* \|$/gm)]
    .map(([, name = '']) => name.replaceAll('\\|', '|'))
    .filter((name) => name !== 'fault' && !name.startsWith('---'));
}
