import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMESPACE_WORDS } from '#lab/namespace';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { FaultOutcome } from '../test/faults/fault.ts';
import { runVitest } from './run-vitest.ts';
import type { TestCounts } from './test-counts.ts';

/** The packages that the fault suite needs beside the lab's. */
const PACKAGES = { ip: 'iproute2', iptables: 'iptables', faketime: 'faketime' };

/** Installs what is missing of what the fault suite needs beside the lab. @throws as `ensurePrerequisites` */
export const ensureFaultPrerequisites = (): Promise<void> => ensurePrerequisites(PACKAGES);

/** What {@link runFaults} takes. */
export interface FaultRunOptions {
  /** `long`: in real time where the short form has time fly, a hundred kills, minutes where others are seconds. */
  readonly form: 'short' | 'long';
  /** More words for vitest, such as a file. */
  readonly args: readonly string[];
  /** Gets what would else be printed. */
  readonly outputPath?: string;
}

/** What a run of the fault suite came to. */
export interface FaultRun {
  readonly counts: TestCounts;
  readonly results: readonly FaultOutcome[];
}

/** Runs the fault suite, in a namespace of its own. Needs root. */
export async function runFaults({ form, args, outputPath }: FaultRunOptions): Promise<FaultRun> {
  await ensureFaultPrerequisites();
  const dir = await mkdtemp(join(tmpdir(), 'faults-'));
  const path = join(dir, 'results.json');
  try {
    const counts = await runVitest({
      args: ['--project', 'faults', '--reporter=./scripts/fault-results.ts', ...args],
      launcher: NAMESPACE_WORDS,
      env: { FAULTS_FORM: form, FAULTS_RESULTS: path },
      ...(outputPath === undefined ? {} : { outputPath }),
    });
    const text = await readFile(path, 'utf8').catch(() => '[]');
    return { counts, results: JSON.parse(text) as readonly FaultOutcome[] };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
