import { relative } from 'node:path';

/** What became of the suite on one engine. */
export interface EngineResult {
  /** As it is chosen by, for instance `docker-28`. */
  readonly name: string;
  /** With its version, for instance `docker.io 28.5.2+dfsg4-5`. */
  readonly package: string;
  readonly passed: number;
  /** `file: name` of each test that failed, and what else went wrong. */
  readonly failed: readonly string[];
  readonly durationMs: number;
}

/** Of vitest's JSON report. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/**
 * Counts a vitest report. A run that ends with a code other than 0, or without a report, has failed whatever its tests
 * say; so has a file without a test that ran: it could not be loaded, or its engine did not come up.
 * @param report - JSON; undefined where there is none
 * @param dir - what the paths in the result are relative to
 */
export function toCounts(
  report: string | undefined,
  exitCode: number | null,
  dir: string,
): Pick<EngineResult, 'passed' | 'failed'> {
  const { testResults } = report === undefined ? { testResults: [] } : (JSON.parse(report) as Report);
  const tests = testResults.flatMap(({ name, assertionResults }) => {
    const path = relative(dir, name);
    const isIdle = assertionResults.every(({ status }) => status !== 'passed' && status !== 'failed');
    if (isIdle) return [{ status: 'failed', text: `${path}: no test ran` }];
    return assertionResults.map(({ status, fullName }) => ({ status, text: `${path}: ${fullName}` }));
  });
  const failed = tests.filter(({ status }) => status === 'failed').map(({ text }) => text);
  if (tests.length === 0) failed.push('no test ran');
  else if (exitCode !== 0 && failed.length === 0) failed.push(`vitest ended with ${exitCode ?? 'a signal'}`);
  return { passed: tests.filter(({ status }) => status === 'passed').length, failed };
}

/** A Markdown table, and below it what failed. */
export function formatTable(results: readonly EngineResult[]): string {
  const rows = results.map(({ name, package: version, passed, failed, durationMs }) => {
    const minutes = (durationMs / 60_000).toFixed(1);
    return `| ${[name, version, passed, failed.length, minutes].join(' | ')} |`;
  });
  const failures = results.flatMap(({ name, failed }) => failed.map((text) => `${name}: ${text}`));
  const header = ['| engine | package | passed | failed | minutes |', '| --- | --- | ---: | ---: | ---: |'];
  return [...header, ...rows, ...(failures.length === 0 ? [] : ['', 'Failed:', ...failures]), ''].join('\n');
}

/**
 * The things that names choose, in their own order; all where there is no name.
 * @throws naming those that there are, for a name that is none of theirs
 */
export function parseChoice<T extends { readonly name: string }>(
  names: readonly string[],
  all: readonly T[],
): readonly T[] {
  const unknown = names.filter((name) => !all.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no such engine: ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}
