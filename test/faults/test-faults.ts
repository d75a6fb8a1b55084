import { afterAll, expect, it } from 'vitest';
import type { TaskMeta } from 'vitest';
import type { Fault, FaultResult } from './fault.ts';
import { playFault } from './play.ts';
import { openStage } from './stage.ts';
import type { Stage, StageOptions } from './stage.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** For the reporter that writes the results down. */
    fault?: Pick<FaultResult, 'group' | 'name'> & { readonly result?: FaultResult };
  }
}

const SHORT_MS = 300_000;
const LONG_MS = 3_600_000;
const CLOSE_MS = 120_000;

/**
 * One test for each fault, one after another on one stage with one module process; a fault with a lab of its own, and
 * whatever follows a failure, gets a new one.
 * @param lab the kind of lab that they share
 */
export function testFaults(faults: readonly Fault[], lab: StageOptions = {}): void {
  let shared: Stage | undefined;

  async function close(stage: Stage | undefined): Promise<void> {
    if (stage === shared) shared = undefined;
    await stage?.stop();
  }

  afterAll(() => close(shared), CLOSE_MS);

  it.for(toRows(faults))('%s', { timeout: toTimeoutMs() }, async ([, fault], { task }) => {
    const stage = fault.lab === undefined ? (shared ??= await openStage(lab)) : await openStage(fault.lab);
    let isOver = false;
    try {
      expect((await testFault(stage, fault, task)).outcome).toBe('passed');
      isOver = true;
    } finally {
      if (!isOver || stage !== shared) await close(stage);
    }
  });
}

/** One test for each fault, all at the same time, each on a stage of its own: for those that mostly wait. */
export function testFaultsTogether(faults: readonly Fault[], lab: StageOptions = {}): void {
  it.concurrent.for(toRows(faults))('%s', { timeout: toTimeoutMs() }, async ([, fault], { task }) => {
    const stage = await openStage(fault.lab ?? lab);
    try {
      expect((await testFault(stage, fault, task)).outcome).toBe('passed');
    } finally {
      await stage.stop();
    }
  });
}

const isLong = process.env['FAULTS_FORM'] === 'long';

const toTimeoutMs = (): number => (isLong ? LONG_MS : SHORT_MS);

const toRows = (faults: readonly Fault[]): (readonly [string, Fault])[] =>
  faults.filter((fault) => isLong || fault.isLong !== true).map((fault) => [fault.name, fault] as const);

async function testFault(
  stage: Stage,
  fault: Fault,
  task: { readonly meta: TaskMeta },
): Promise<FaultResult> {
  const { group, name } = fault;
  task.meta.fault = { group, name };
  try {
    const result = await playFault(stage, fault);
    task.meta.fault = { group, name, result };
    return result;
  } catch (error) {
    if (process.env['FAULTS_SHOW'] !== undefined) console.log(stage.output);
    throw error;
  }
}
