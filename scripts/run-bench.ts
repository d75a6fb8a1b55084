import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCounts } from './test-counts.ts';
import type { TestCounts } from './test-counts.ts';

/** Four times what it takes on two cores with nothing beside it. */
const LIMIT_MS = 8 * 60_000;

/** Runs the quick form of the benchmarks; each bound of it counts as a test that fails where it is left by far. */
export async function runBench(): Promise<TestCounts> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-counts-'));
  const path = join(dir, 'counts.json');
  try {
    const child = spawn(process.execPath, ['bench/main.ts', '--quick'], {
      stdio: 'inherit',
      env: { ...process.env, BENCH_COUNTS: path },
      timeout: LIMIT_MS,
    });
    await once(child, 'exit');
    return await readCounts(path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
