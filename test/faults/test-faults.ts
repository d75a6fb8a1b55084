import { afterAll, expect, it } from 'vitest';
import type { Fault, FaultResult } from './fault.ts';
import { playFault } from './play.ts';
import { openStage } from './stage.ts';
import type { Stage } from './stage.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** For the reporter that writes the results down. */
    fault?: { readonly group: string; readonly name: string; readonly result?: FaultResult };
  }
}

const SHORT_MS = 300_000;
const LONG_MS = 3_600_000;
const CLOSE_MS = 120_000;

/**
 * One test for each fault, one after another on one stage with one module process; a fault with a lab of its own, and
 * whatever follows a failure, gets a new one.
 */
export function testFaults(faults: readonly Fault[]): void {
  const isLong = process.env['FAULTS_FORM'] === 'long';
  let shared: Stage | undefined;

  async function close(stage: Stage | undefined): Promise<void> {
    if (stage === shared) shared = undefined;
    await stage?.stop();
  }

  afterAll(() => close(shared), CLOSE_MS);

  it.for(
    faults.filter((fault) => isLong || fault.isLong !== true).map((fault) => [fault.name, fault] as const),
  )('%s', { timeout: isLong ? LONG_MS : SHORT_MS }, async ([, fault], { task }) => {
    const stage = fault.lab === undefined ? (shared ??= await openStage()) : await openStage(fault.lab);
    let result: FaultResult | undefined;
    try {
      result = await playFault(stage, fault);
      expect(result.outcome).toBe('passed');
    } finally {
      task.meta.fault = { group: fault.group, name: fault.name, ...(result === undefined ? {} : { result }) };
      if (result === undefined && process.env['FAULTS_SHOW'] !== undefined) console.log(stage.output);
      if (result === undefined || stage !== shared) await close(stage);
    }
  });
}
