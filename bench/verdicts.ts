import { writeFile } from 'node:fs/promises';
import type { TestCounts } from '../scripts/test-counts.ts';
import type { Bound } from './part.ts';

/** Whether something is as it should be, or not by far. */
export interface Verdict {
  readonly what: string;
  readonly isKept: boolean;
}

/** Of a bound whose being left by far is no chance of a busy machine; of any other there is none. */
export function toVerdict({ what, value, least = value, quickAtMost }: Bound): Verdict[] {
  if (quickAtMost === undefined) return [];
  const isKept = least <= quickAtMost;
  return [{ what: isKept ? what : `${what}: ${least.toFixed(2)}, at most ${quickAtMost}`, isKept }];
}

/** Says what is far out, and lets the process fail for it; counts are left in the file that `BENCH_COUNTS` names. */
export async function close(verdicts: readonly Verdict[]): Promise<void> {
  const left = verdicts.filter(({ isKept }) => !isKept);
  for (const { what } of left) console.error(`far out of its bound: ${what}`);
  console.log(`\n${verdicts.length - left.length} bounds kept, ${left.length} left by far`);
  process.exitCode = left.length > 0 ? 1 : 0;
  const path = process.env['BENCH_COUNTS'];
  const failures = left.map(({ what }) => `far out of its bound: ${what}`);
  const counts: TestCounts = {
    passed: verdicts.length - left.length,
    failed: left.length,
    skipped: 0,
    failures,
  };
  if (path !== undefined) await writeFile(path, JSON.stringify(counts));
}
